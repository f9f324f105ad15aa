/*
 * Certificate profiles: what a certificate of a kind looks like, as data in
 * the policy document. Subject and extensions come from here, never from a
 * CSR.
 */
#ifndef MM_PROFILE_H
#define MM_PROFILE_H

#include "ca/key.h"

/* What the certificate is for; decides which statement it needs. */
enum mm_purpose {
	MM_PURPOSE_DEVICE = 1,      /* an order */
	MM_PURPOSE_CLIENT = 2,      /* a principal's statement */
	MM_PURPOSE_SERVER = 3,      /* the policy itself: our TLS name */
	MM_PURPOSE_CA = 4,          /* a ceremony */
	MM_PURPOSE_CODE_SIGNING = 5 /* a ceremony */
};

/* RFC 5280 4.2.1.3, bit 0 first: 1 << bit. */
enum mm_key_usage {
	MM_KU_DIGITAL_SIGNATURE = 1 << 0,
	MM_KU_KEY_AGREEMENT = 1 << 4,
	MM_KU_KEY_CERT_SIGN = 1 << 5,
	MM_KU_CRL_SIGN = 1 << 6
};

struct mm_subject_part {
	struct mm_span oid;      /* "2.5.4.3" */
	struct mm_span template; /* UTF-8; `{device}` or `{name}` is filled */
};

struct mm_profile {
	struct mm_span name;
	uint64_t purpose;        /* enum mm_purpose */
	struct mm_span issuer;   /* name of the signing key */
	struct mm_list subject;  /* mm_subject_part, in RFC 5280's order */
	uint64_t validity;       /* seconds; 0: 99991231235959Z */
	uint64_t backdate;       /* seconds before now of notBefore; 0: none */
	uint64_t keys;           /* bits 1 << enum mm_key_type */
	uint64_t key_usage;      /* bits of enum mm_key_usage */
	struct mm_list purposes; /* mm_text_item: EKU OIDs; empty: no EKU */
	bool path;               /* CAs: a pathLenConstraint is written */
	uint64_t path_length;    /* and this is it */
};
extern const struct mm_shape mm_subject_part_shape, mm_profile_shape;

/*
 * Whether a certificate may be for this purpose: basicConstraints' CA flag,
 * the bits of enum mm_key_usage, and the EKU's OIDs (mm_text_item), as they
 * stand in a profile or in a TBS. MM_E_CERTIFICATE.
 */
enum mm_error mm_purpose_check(uint64_t purpose, bool ca, uint64_t key_usage,
    struct mm_list purposes) mm_must_use;

/*
 * Whether a profile is sound: its purpose's rules kept, OIDs well formed,
 * templates that can be filled, key types known. MM_E_POLICY.
 */
enum mm_error mm_profile_check(const struct mm_profile *profile) mm_must_use;

/* 1 to 64 of A-Z a-z 0-9 . _ : - ; MM_E_DEVICE_ID. */
enum mm_error mm_device_check(struct mm_span device) mm_must_use;

/*
 * Appends the template with {device} or {name} replaced; MM_E_POLICY for any
 * other brace, MM_E_RANGE where it does not fit.
 */
enum mm_error mm_template_fill(struct mm_span template, struct mm_span name,
    struct mm_buffer *out) mm_must_use;

#endif
