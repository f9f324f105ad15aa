/*
 * A PKCS#11 token through libp11 (module, slots, login) and, where libp11
 * falls short, the module's own functions (key generation, C_Sign): see
 * PKCS #11 v2.40. One process, one thread, one logged-in session. A handle
 * whose call failed is disposable: end the process.
 */
#ifndef MM_PKCS11_H
#define MM_PKCS11_H

#include "ca/key.h"
#include "signer/public_key.h"

enum { MM_PIN_MAX = 255 };

struct mm_pkcs11;

/*
 * Loads `module`, finds the one token that `uri` (RFC 7512; label, serial,
 * ...) names and logs in with the PIN in `pin_file` (one line), which is only
 * ever in sodium memory here. MM_E_MODULE, MM_E_TOKEN_ABSENT,
 * MM_E_TOKEN_AMBIGUOUS, MM_E_PIN, MM_E_TOKEN.
 */
enum mm_error mm_pkcs11_open(const char *module, const char *uri,
    const char *pin_file, struct mm_pkcs11 **out) mm_must_use;
/* The same with the PIN file already open in `pin_fd` (-1: it is not), which
 * the login closes. */
enum mm_error mm_pkcs11_open_with(const char *module, const char *uri,
    const char *pin_file, int pin_fd, struct mm_pkcs11 **out) mm_must_use;
void mm_pkcs11_close(struct mm_pkcs11 *token);

/*
 * Makes a pair named `label` on the token: TOKEN, PRIVATE, SENSITIVE, not
 * EXTRACTABLE, SIGN only. ALLOWED_MECHANISMS is CKM_ECDSA of P-256, and
 * CKM_RSA_PKCS_PSS of RSA-3072, whose public exponent is 65537 and which takes
 * seconds. MM_E_EXISTS where the label is taken, MM_E_KEY_TYPE for others.
 */
enum mm_error mm_pkcs11_generate(struct mm_pkcs11 *token, const char *label,
    enum mm_algorithm algorithm) mm_must_use;
/* A public key without its private one, which a crash has left of making the
 * pair, is removed, so that it can be made again. Else nothing happens. */
enum mm_error
mm_pkcs11_forget_half(struct mm_pkcs11 *token, const char *label) mm_must_use;

/*
 * Appends the DER SubjectPublicKeyInfo of the pair `label` after checking
 * the private half's attributes (ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL,
 * no other use; of RSA the same modulus): MM_E_KEY_ABSENT,
 * MM_E_KEY_ATTRIBUTES.
 */
enum mm_error mm_pkcs11_public(struct mm_pkcs11 *token, const char *label,
    struct mm_buffer *out) mm_must_use;

/*
 * Signs a digest, as the key of `spki` does, and verifies the result with it
 * before it is given out. P-256: CKM_ECDSA, a DER Ecdsa-Sig-Value is appended.
 * RSA-3072: CKM_RSA_PKCS_PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of
 * salt, 384 bytes. MM_E_TOKEN, MM_E_KEY_TYPE, MM_E_TOKEN_SIGNATURE.
 */
enum mm_error
mm_pkcs11_sign(struct mm_pkcs11 *token, const char *label, struct mm_span spki,
    const uint8_t digest[32], struct mm_buffer *out) mm_must_use;

/*
 * Initialises a free slot of `module` as a token `label` with both PINs
 * (NUL-ended, in sodium memory); its serial goes to `serial`. For
 * `mintmark quickstart` and for tests.
 */
enum mm_error mm_pkcs11_init_token(const char *module, const char *label,
    const char *so_pin, const char *user_pin, char serial[17]) mm_must_use;

#endif
