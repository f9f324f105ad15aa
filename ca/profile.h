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
	MM_PURPOSE_DEVICE = 1,       /* an order */
	MM_PURPOSE_CLIENT = 2,       /* a principal's statement */
	MM_PURPOSE_SERVER = 3,       /* the policy itself: our TLS name */
	MM_PURPOSE_CA = 4,           /* a ceremony */
	MM_PURPOSE_CODE_SIGNING = 5, /* a ceremony */
	MM_PURPOSE_PROOF = 6 /* a ceremony: that the mint has a CA's key */
};

/* The standard that certificates of a profile are held against (lint.h). */
enum mm_standard {
	MM_STANDARD_NONE = 0,
	MM_STANDARD_AWS_IOT = 1,    /* JITP and JITR */
	MM_STANDARD_IDEVID = 2,     /* IEEE 802.1AR-2018 */
	MM_STANDARD_MATTER_DAC = 3, /* Matter 1.x, 6.2.2.3 */
	MM_STANDARD_MATTER_PAI = 4, /* 6.2.2.4 */
	MM_STANDARD_MATTER_PAA = 5, /* 6.2.2.5 */
	MM_STANDARD_TLS_CLIENT = 6,
	MM_STANDARD_TLS_SERVER = 7,
	MM_STANDARD_CODE_SIGNING = 8,
	MM_STANDARD_CA = 9, /* RFC 5280: a CA below another one */
	MM_STANDARDS = 10
};

/* What stands in a subjectAltName (RFC 5280 4.2.1.6). */
enum mm_alternative_kind {
	MM_ALTERNATIVE_DNS = 1,
	MM_ALTERNATIVE_URI = 2,
	MM_ALTERNATIVE_HARDWARE = 3 /* hardwareModuleName, RFC 4108 */
};
struct mm_alternative {
	uint64_t kind;           /* enum mm_alternative_kind */
	struct mm_span template; /* `{device}` or `{name}` is filled */
	struct mm_span type;     /* OID of hwType; else empty */
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
	uint64_t standard;       /* enum mm_standard */
	struct mm_list names;    /* mm_alternative: the subjectAltName */
	uint64_t crl; /* CAs: seconds from thisUpdate to nextUpdate; 0: the
		       * key signs no CRLs */
	/* Of a device's: by which signings (signer/scheme.h) its station may
	 * have its esp_secure_cert partition signed (mm_text_item), and whether
	 * one with a private key in clear. */
	struct mm_list partitions;
	bool plain_keys;
};
extern const struct mm_shape mm_subject_part_shape, mm_alternative_shape,
    mm_profile_shape;

/* "aws-iot", "802.1ar", "matter-dac", ...; NULL for others. */
const char *mm_standard_name(uint64_t standard);

/*
 * Whether a certificate may be for this purpose: basicConstraints' CA flag,
 * the bits of enum mm_key_usage, and the EKU's OIDs (mm_text_item), as they
 * stand in a profile or in a TBS. MM_E_CERTIFICATE.
 */
enum mm_error mm_purpose_check(uint64_t purpose, bool ca, uint64_t key_usage,
    struct mm_list purposes) mm_must_use;
/* The same under a standard (enum mm_standard): a device that is a TLS server
 * may say so. */
enum mm_error mm_purpose_check_standard(uint64_t purpose, uint64_t standard,
    bool ca, uint64_t key_usage, struct mm_list purposes) mm_must_use;

/*
 * Whether a profile is sound: its purpose's rules kept, OIDs well formed,
 * templates that can be filled, key types known, and its standard's rules as
 * far as a profile can keep or break them. MM_E_POLICY.
 */
enum mm_error mm_profile_check(const struct mm_profile *profile) mm_must_use;
/* The last of these: standard.c. */
enum mm_error
mm_profile_check_standard(const struct mm_profile *profile) mm_must_use;

/*
 * A name of the subjectAltName, its template filled: a DNS name, a URI
 * (RFC 3986), a module's serial number. MM_E_CERTIFICATE where what comes out
 * is none.
 */
enum mm_error mm_alternative_fill(const struct mm_alternative *alternative,
    struct mm_span name, struct mm_buffer *out) mm_must_use;

/* 1 to 64 of A-Z a-z 0-9 . _ : - ; an EUI-48 or EUI-64 in large letters, so
 * that it has one spelling. MM_E_DEVICE_ID. */
enum mm_error mm_device_check(struct mm_span device) mm_must_use;

/*
 * Appends the template with {device} or {name} replaced; MM_E_POLICY for any
 * other brace, MM_E_RANGE where it does not fit.
 */
enum mm_error mm_template_fill(struct mm_span template, struct mm_span name,
    struct mm_buffer *out) mm_must_use;

#endif
