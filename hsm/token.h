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
	MM_TOKEN_GENERATE = 1, /* genesis only: make the keys */
	MM_TOKEN_FOLLOW = 2,   /* genesis or policy entry, in order */
	MM_TOKEN_SIGN = 3
};

struct mm_token_options {
	const char *module, *uri, *pin_file;
	int pin_fd;         /* of pin_file, opened by root for us; 0: none */
	const char *record; /* file {log key, genesis, policy}, see record.h */
	bool genesis;       /* keys may be made and the record begun */
	uint64_t (*now)(void); /* POSIX seconds; NULL: the system's clock */
};

struct mm_token_generate_request {
	struct mm_list keys; /* mm_ceremony_key of protocol/statement.h */
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
 * MM_E_TOKEN_REFUSED. References are the entry that an item rests on (order,
 * principal, genesis, policy) and, for a certificate that does not sign
 * itself, the entry of its issuer's certificate, whose TBS has name, key and
 * validity; a referred certificate is itself checked as if it were to be
 * signed, so its own basis must be there too.
 */
struct mm_token;
enum mm_error mm_token_open(
    const struct mm_token_options *options, struct mm_token **out) mm_must_use;
void mm_token_close(struct mm_token *token);
struct mm_service mm_token_service(struct mm_token *token);

#endif
