/*
 * What a ceremony is to do, as people write it (conf/ceremony.conf): keys,
 * certificates, CSRs for CAs outside, the first principals, and what is to be
 * remembered of the day. It becomes the claim that officers sign.
 */
#ifndef MM_POLICY_CEREMONY_H
#define MM_POLICY_CEREMONY_H

#include "policy/document.h"
#include "signer/public_key.h"

enum { MM_NOTES_MAX = 8192 /* bytes of a ceremony's notes */ };

/* Somebody who is registered at once, by a CSR of its own making. */
struct mm_ceremony_principal {
	struct mm_span name;
	uint64_t role;           /* enum mm_role */
	struct mm_span csr;      /* path, as written */
	struct mm_list profiles; /* mm_text_item: of a station */
	uint64_t daily, minute;  /* 0: as in a principal's statement */
};

struct mm_ceremony_text {
	struct mm_span origin;
	/* Paths, as written: the policy's text, the appliance's settings. */
	struct mm_span policy, settings;
	struct mm_span address;    /* "host:port name" for clients; or empty */
	struct mm_span notes;      /* one text, its lines joined */
	struct mm_list retire;     /* mm_text_item: names of keys */
	struct mm_list note_lines; /* mm_text_item */
	uint64_t expires;          /* seconds that the statements are good */
	/* In the order in which they were written. */
	struct mm_list keys;         /* mm_ceremony_key */
	struct mm_list certificates; /* mm_ceremony_certificate */
	struct mm_list requests;     /* mm_ceremony_request */
	struct mm_list principals;   /* mm_ceremony_principal */
};

/* What kind of key is made: P-256, or what the key says. */
enum mm_algorithm mm_ceremony_algorithm(const struct mm_ceremony_key *key);

/* Only keys for code signing are of another kind than P-256: MM_E_KEY_TYPE. */
enum mm_error mm_ceremony_keys_check(const struct mm_list *keys) mm_must_use;
/* RSA keys sign images alone: the key of this name, if it is among them, may
 * issue a certificate, to itself as well, or sign a CSR. MM_E_KEY_TYPE. */
enum mm_error
mm_ceremony_signer(const struct mm_list *keys, struct mm_span name) mm_must_use;
/* Both, of all that a ceremony lists. */
enum mm_error
mm_ceremony_claim_check(const struct mm_ceremony_claim *claim) mm_must_use;

/* At which point of a mint's life a ceremony is held. */
enum mm_ceremony_stage {
	MM_CEREMONY_BIRTH,      /* of a log: origin, policy, settings */
	MM_CEREMONY_SUCCESSION, /* the same, and keys that are there already */
	MM_CEREMONY_AMENDMENT   /* of a running mint: none of these */
};

/*
 * Reads a file for that stage; all spans lie in the arena. MM_E_FORMAT names
 * file and line: what is unknown, what is missing, what the stage has no use
 * for; a key that is named and not there, an issuer that comes after what it
 * issues.
 */
enum mm_error
mm_ceremony_text_read(const char *path, enum mm_ceremony_stage stage,
    struct mm_arena *arena, struct mm_ceremony_text *out) mm_must_use;

/*
 * Whether the policy has what the text names: profiles that fit their keys,
 * stations' profiles, and a key in the ceremony for each issuer of a profile
 * by which something is issued every day. MM_E_PROFILE, MM_E_POLICY.
 */
enum mm_error mm_ceremony_text_check(const struct mm_ceremony_text *text,
    const struct mm_policy *policy) mm_must_use;

#endif
