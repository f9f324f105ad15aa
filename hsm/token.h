/*
 * The token process: it signs entries, not digests. For every entry it
 * verifies inclusion in a checkpoint of its log and the people's statements
 * under the policy that it has followed itself, derives what is to be signed
 * from the entry, and refuses what it cannot parse.
 */
#ifndef MM_TOKEN_H
#define MM_TOKEN_H

#include "hsm/pkcs11.h"
#include "log/notary.h"

enum mm_token_call {
	MM_TOKEN_GENERATE = 1, /* make keys: at genesis, or a ceremony's */
	MM_TOKEN_FOLLOW = 2,   /* genesis, policy, ceremony, key, import: in the
				* log's order */
	MM_TOKEN_SIGN = 3
};

struct mm_token_options {
	const char *module, *uri, *pin_file;
	int pin_fd;            /* of pin_file, opened by root for us; 0: none */
	const char *record;    /* what is remembered of the log, see record.h */
	bool genesis;          /* keys may be made and the record begun */
	uint64_t (*now)(void); /* POSIX seconds; NULL: the system's clock */
};

/*
 * At genesis `ceremony` is 0 and the keys are the caller's; a key whose
 * `existing` is given is looked up, not made. Later `ceremony` is the entry of
 * a ceremony that was followed, and the keys are among those that it lists. A
 * key of that name which is there already and was not followed yet is the
 * answer again: a crash came between.
 */
struct mm_token_generate_request {
	struct mm_list keys; /* mm_ceremony_key of protocol/statement.h */
	uint64_t ceremony;
};
struct mm_token_generate_answer {
	struct mm_list keys; /* mm_genesis_key of log/entry.h */
};

/* An entry with its proof in the request's checkpoint. */
struct mm_proven {
	uint64_t index;
	struct mm_span entry;
	struct mm_list proof; /* mm_hash_item */
};
struct mm_token_follow_request {
	struct mm_span note;
	struct mm_proven entry;
};
struct mm_token_follow_answer {
	uint64_t policy; /* number now followed */
};

struct mm_token_sign_request {
	struct mm_span note;
	struct mm_list references; /* mm_proven: orders, principals, genesis */
	struct mm_list items;      /* mm_proven: to be signed */
	/* A CRL whose TBS is a blob comes alone, and the blob with it as a
	 * sealed memfd. */
};
struct mm_token_result {
	uint64_t index;
	uint64_t error; /* enum mm_error; 0: signed */
	struct mm_span signature;
	struct mm_span why;
};
struct mm_token_sign_answer {
	struct mm_list results; /* mm_token_result, one an item, in order */
};
extern const struct mm_shape mm_token_generate_request_shape,
    mm_token_generate_answer_shape, mm_proven_shape,
    mm_token_follow_request_shape, mm_token_follow_answer_shape,
    mm_token_sign_request_shape, mm_token_sign_answer_shape;

/*
 * An item whose references are not at hand is answered with
 * MM_E_TOKEN_REFUSED. References are the entry that an item rests on where it
 * is an order or a principal (the genesis, policies and ceremonies are known:
 * they were followed) and, for a certificate that does not sign itself and for
 * a CRL, the entry of its issuer's certificate, whose TBS has name, key and
 * validity; a referred certificate is itself checked as if it were to be
 * signed, so its own basis and issuer must be there too. Where an imported
 * certificate of the issuer is newer, that one counts and needs no reference.
 *
 * Nothing is signed before all that was followed once is followed again, and
 * the policy on the record with it (hsm/following.h).
 */
struct mm_token;
enum mm_error mm_token_open(
    const struct mm_token_options *options, struct mm_token **out) mm_must_use;
void mm_token_close(struct mm_token *token);
struct mm_service mm_token_service(struct mm_token *token);

#endif
