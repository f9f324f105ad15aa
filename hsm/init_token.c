#include "hsm/module.h"
#include "hsm/pkcs11.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS_MAX = 64, LABEL_SIZE = 32, SERIAL_SIZE = 16 };

static enum mm_error
find_free_slot(CK_FUNCTION_LIST *call, CK_SLOT_ID *out)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	CK_RV rv = call->C_GetSlotList(CK_TRUE, NULL, &count);

	if (rv != CKR_OK || count > SLOTS_MAX)
		return mm_module_failed("C_GetSlotList", rv);
	rv = call->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv != CKR_OK)
		return mm_module_failed("C_GetSlotList", rv);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		if (call->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    (info.flags & CKF_TOKEN_INITIALIZED) == 0) {
			*out = slots[i];
			return MM_OK;
		}
	}
	return mm_fail(MM_E_TOKEN_ABSENT,
	    "no slot of the module has an uninitialised token");
}

static enum mm_error
set_label_and_so_pin(CK_FUNCTION_LIST *call, CK_SLOT_ID slot, const char *label,
    const char *so_pin)
{
	/* PKCS #11 v2.40 section 5.5: blank-padded, not NUL-ended. */
	CK_UTF8CHAR padded[LABEL_SIZE];
	size_t size = strlen(label);
	CK_RV rv;

	if (size == 0 || size > sizeof(padded))
		return mm_fail(MM_E_RANGE,
		    "a token's label has 1 to %d characters", LABEL_SIZE);
	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, size);
	rv = call->C_InitToken(
	    slot, (CK_UTF8CHAR *)(uintptr_t)so_pin, strlen(so_pin), padded);
	return rv == CKR_OK ? MM_OK : mm_module_failed("C_InitToken", rv);
}

static enum mm_error
set_user_pin(CK_FUNCTION_LIST *call, CK_SLOT_ID slot, const char *so_pin,
    const char *user_pin)
{
	CK_SESSION_HANDLE session;
	CK_RV rv = call->C_OpenSession(
	    slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);

	if (rv != CKR_OK)
		return mm_module_failed("C_OpenSession", rv);
	rv = call->C_Login(
	    session, CKU_SO, (CK_UTF8CHAR *)(uintptr_t)so_pin, strlen(so_pin));
	if (rv == CKR_OK)
		rv = call->C_InitPIN(session,
		    (CK_UTF8CHAR *)(uintptr_t)user_pin, strlen(user_pin));
	call->C_CloseSession(session); /* logs out as well */
	return rv == CKR_OK ? MM_OK : mm_module_failed("C_InitPIN", rv);
}

static enum mm_error
read_serial(CK_FUNCTION_LIST *call, CK_SLOT_ID slot, char serial[17])
{
	CK_TOKEN_INFO info;
	CK_RV rv = call->C_GetTokenInfo(slot, &info);
	size_t size = SERIAL_SIZE;

	if (rv != CKR_OK)
		return mm_module_failed("C_GetTokenInfo", rv);
	while (size > 0 && (info.serialNumber[size - 1] == ' ' ||
			       info.serialNumber[size - 1] == '\0'))
		size--;
	memcpy(serial, info.serialNumber, size);
	serial[size] = '\0';
	return MM_OK;
}

static enum mm_error
init_token(CK_FUNCTION_LIST *call, const char *label, const char *so_pin,
    const char *user_pin, char serial[17])
{
	CK_SLOT_ID slot;
	enum mm_error error = find_free_slot(call, &slot);

	if (error == MM_OK)
		error = set_label_and_so_pin(call, slot, label, so_pin);
	/* The slot keeps its id until the slots are listed again. */
	if (error == MM_OK)
		error = set_user_pin(call, slot, so_pin, user_pin);
	if (error == MM_OK)
		error = read_serial(call, slot, serial);
	return error;
}

enum mm_error
mm_pkcs11_init_token(const char *path, const char *label, const char *so_pin,
    const char *user_pin, char serial[17])
{
	struct mm_module module;
	enum mm_error error = mm_module_open(path, &module);
	CK_RV rv;

	if (error != MM_OK)
		return error;
	rv = module.call->C_Initialize(NULL);
	if (rv != CKR_OK) {
		mm_module_close(&module);
		return mm_fail(MM_E_MODULE,
		    "the PKCS#11 module %s does not initialise (0x%lx): is "
		    "its own configuration in order?",
		    path, rv);
	}
	error = init_token(module.call, label, so_pin, user_pin, serial);
	module.call->C_Finalize(NULL);
	mm_module_close(&module);
	return error;
}
