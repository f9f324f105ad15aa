/*
 * The inside of an open token, for this room alone: libp11 has loaded the
 * module and logged in; the module's own functions share that login in a
 * session beside libp11's.
 */
#ifndef MM_SESSION_H
#define MM_SESSION_H

#include <libp11.h>

#include "hsm/module.h"
#include "hsm/pkcs11.h"

enum { MM_PAIRS_MAX = 16, MM_LABEL_MAX = 64 };

/* A kind of key that is made here, and the one mechanism that it signs by. */
struct mm_pair_kind {
	enum mm_algorithm algorithm;
	CK_KEY_TYPE type;
	CK_MECHANISM_TYPE mechanism;
	const char *mechanism_name;
};
/* NULL: no such key is made. */
const struct mm_pair_kind *mm_pair_kind(enum mm_algorithm algorithm);

/* A pair that was looked up and whose attributes were found in order. */
struct mm_pair {
	char label[MM_LABEL_MAX + 1];
	const struct mm_pair_kind *kind;
	CK_OBJECT_HANDLE private_key, public_key;
};

struct mm_pkcs11 {
	PKCS11_CTX *context;
	PKCS11_SLOT *slots;
	unsigned slots_count;
	struct mm_module module;
	CK_SESSION_HANDLE session;
	struct mm_pair pairs[MM_PAIRS_MAX];
	size_t pairs_count, pairs_next;
};

/*
 * The one pair of this label: MM_E_KEY_ABSENT, MM_E_KEY_ATTRIBUTES (more
 * than one, or a private half that may leave the token or be misused). It is
 * valid until another one is looked up.
 */
enum mm_error mm_pair_find(struct mm_pkcs11 *token, const char *label,
    const struct mm_pair **out) mm_must_use;

/* The number of objects of this class and label, 2 for more; the handle of
 * the first. */
enum mm_error mm_pair_objects(struct mm_pkcs11 *token, CK_OBJECT_CLASS class,
    const char *label, CK_OBJECT_HANDLE *handle, CK_ULONG *count) mm_must_use;

/* C_GetAttributeValue, where an attribute that is not as asked for keeps a
 * length that passes no check. MM_E_TOKEN. */
enum mm_error
mm_pair_attributes(struct mm_pkcs11 *token, CK_OBJECT_HANDLE object,
    CK_ATTRIBUTE *attributes, CK_ULONG count) mm_must_use;

#endif
