#include "hsm/session.h"

#include "hsm/pin.h"
#include "hsm/token_uri.h"

#include <openssl/err.h>
#include <string.h>

/* The tokens that are there, for the person who reads the error. */
struct found {
	PKCS11_SLOT *slot;
	CK_TOKEN_INFO info;
	unsigned matches;
	char others[256];
};

static void
tell(struct found *found, const PKCS11_TOKEN *token)
{
	size_t used = strlen(found->others);

	snprintf(found->others + used, sizeof(found->others) - used,
	    "%stoken=%s;serial=%s", used > 0 ? ", " : "", token->label,
	    token->serialnr);
}

static enum mm_error
search(struct mm_pkcs11 *token, const P11KitUri *uri, struct found *found)
{
	for (unsigned i = 0; i < token->slots_count; i++) {
		PKCS11_SLOT *slot = &token->slots[i];
		CK_TOKEN_INFO info;
		CK_RV rv;

		/* An uninitialised token makes libp11 hang later. */
		if (slot->token == NULL || !slot->token->initialized)
			continue;
		rv = token->module.call->C_GetTokenInfo(
		    PKCS11_get_slotid_from_slot(slot), &info);
		if (rv != CKR_OK)
			return mm_module_failed("C_GetTokenInfo", rv);
		tell(found, slot->token);
		if (!mm_token_uri_match(uri, &info))
			continue;
		found->matches++;
		found->slot = slot;
		found->info = info;
	}
	return MM_OK;
}

static enum mm_error
find_slot(struct mm_pkcs11 *token, const char *text, struct found *found)
{
	P11KitUri *uri;
	enum mm_error error = mm_token_uri_parse(text, &uri);

	if (error != MM_OK)
		return error;
	error = search(token, uri, found);
	p11_kit_uri_free(uri);
	if (error != MM_OK)
		return error;
	if (found->matches == 0)
		return mm_fail(MM_E_TOKEN_ABSENT,
		    "no token matches %s; there is %s", text,
		    found->others[0] != '\0' ? found->others : "none at all");
	if (found->matches > 1)
		return mm_fail(MM_E_TOKEN_AMBIGUOUS,
		    "%u tokens match %s: add the serial of the right one "
		    "(%s)",
		    found->matches, text, found->others);
	return MM_OK;
}

static const struct {
	unsigned long rv;
	const char *why;
} pin_faults[] = {{CKR_PIN_INCORRECT, "the PIN is wrong"},
    {CKR_PIN_INVALID, "the PIN has characters the token does not take"},
    {CKR_PIN_LEN_RANGE, "the PIN's length is wrong"},
    {CKR_PIN_EXPIRED, "the PIN has expired: set a new one"},
    {CKR_PIN_LOCKED, "the PIN is locked: unlock it with the SO PIN"},
    {CKR_USER_PIN_NOT_INITIALIZED, "the token has no user PIN yet"}};

/* libp11 leaves the token's answer in OpenSSL's queue. */
static enum mm_error
login_fault(void)
{
	unsigned long code = ERR_peek_last_error();
	unsigned long rv = (unsigned long)ERR_GET_REASON(code);

	ERR_clear_error();
	for (size_t i = 0; i < MM_COUNT(pin_faults); i++)
		if (pin_faults[i].rv == rv)
			return mm_fail(MM_E_PIN,
			    "the token refuses the login: %s; it was tried "
			    "once and is not tried again",
			    pin_faults[i].why);
	return mm_module_failed("C_Login", rv);
}

/* One attempt, ever: a real token locks itself after a few. */
static enum mm_error
login(const struct found *found, const char *pin_file, int pin_fd)
{
	enum mm_error error;
	char *pin;
	int failed;

	if ((found->info.flags & CKF_USER_PIN_LOCKED) != 0)
		return mm_fail(MM_E_PIN,
		    "the token's PIN is locked: unlock it with the SO PIN");
	if ((found->info.flags & CKF_USER_PIN_FINAL_TRY) != 0)
		return mm_fail(MM_E_PIN,
		    "the token allows one more try: log in once by hand with "
		    "the right PIN, then start again");
	error = mm_pin_read(pin_file, pin_fd, &pin);
	if (error != MM_OK)
		return error;
	failed = PKCS11_login(found->slot, 0, pin);
	mm_pin_free(&pin);
	return failed != 0 ? login_fault() : MM_OK;
}

static enum mm_error
load(struct mm_pkcs11 *token, const char *module)
{
	/* Before libp11: its clean-up after a failed load crashes. */
	enum mm_error error = mm_module_open(module, &token->module);

	if (error != MM_OK)
		return error;
	token->context = PKCS11_CTX_new();
	if (token->context == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for libp11");
	if (PKCS11_CTX_load(token->context, module) != 0) {
		ERR_clear_error();
		PKCS11_CTX_free(token->context); /* never unloaded */
		token->context = NULL;
		return mm_fail(MM_E_MODULE,
		    "the PKCS#11 module %s does not initialise: is its own "
		    "configuration in order?",
		    module);
	}
	if (PKCS11_enumerate_slots(
		token->context, &token->slots, &token->slots_count) != 0)
		return mm_fail(MM_E_TOKEN,
		    "the PKCS#11 module %s does not list its slots", module);
	return MM_OK;
}

static enum mm_error
begin(struct mm_pkcs11 *token, const char *module, const char *uri,
    const char *pin_file, int pin_fd)
{
	struct found found = {0};
	enum mm_error error = load(token, module);
	CK_RV rv;

	if (error == MM_OK)
		error = find_slot(token, uri, &found);
	if (error == MM_OK)
		error = login(&found, pin_file, pin_fd);
	if (error != MM_OK)
		return error;
	rv = token->module.call->C_OpenSession(
	    PKCS11_get_slotid_from_slot(found.slot),
	    CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &token->session);
	return rv == CKR_OK ? MM_OK : mm_module_failed("C_OpenSession", rv);
}

enum mm_error
mm_pkcs11_open(const char *module, const char *uri, const char *pin_file,
    struct mm_pkcs11 **out)
{
	return mm_pkcs11_open_with(module, uri, pin_file, -1, out);
}

enum mm_error
mm_pkcs11_open_with(const char *module, const char *uri, const char *pin_file,
    int pin_fd, struct mm_pkcs11 **out)
{
	struct mm_pkcs11 *token = calloc(1, sizeof(*token));
	enum mm_error error;

	if (token == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a token");
	error = begin(token, module, uri, pin_file, pin_fd);
	if (error != MM_OK)
		mm_pkcs11_close(token);
	else
		*out = token;
	return error;
}

void
mm_pkcs11_close(struct mm_pkcs11 *token)
{
	if (token == NULL)
		return;
	if (token->session != 0)
		token->module.call->C_CloseSession(token->session);
	if (token->slots != NULL)
		PKCS11_release_all_slots(
		    token->context, token->slots, token->slots_count);
	if (token->context != NULL) {
		PKCS11_CTX_unload(token->context);
		PKCS11_CTX_free(token->context);
	}
	mm_module_close(&token->module);
	free(token);
}
