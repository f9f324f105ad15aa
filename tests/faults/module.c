/*
 * A PKCS#11 module that is SoftHSM, but for the signatures that the page
 * orders to fail: loaded by a mintmarkd that has faults.c in it.
 */
#include <dlfcn.h>
#include <stddef.h>

#include <p11-kit/pkcs11.h>

#include "tests/faults/page.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static CK_FUNCTION_LIST good, faulty;

static CK_RV
sign_init(
    CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	enum faults_action action = faults_next(FAULTS_INIT);
	CK_RV rv;

	if (action == FAULTS_FAIL)
		return (CK_RV)faults_cause();
	rv = good.C_SignInit(session, mechanism, key);
	return faults_done(action) ? (CK_RV)faults_cause() : rv;
}

static CK_RV
sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size,
    CK_BYTE *signature, CK_ULONG *signature_size)
{
	enum faults_action action = faults_next(FAULTS_SIGN);
	CK_RV rv;

	if (action == FAULTS_FAIL)
		return (CK_RV)faults_cause();
	rv = good.C_Sign(session, data, size, signature, signature_size);
	if (action == FAULTS_FLIP && rv == CKR_OK)
		signature[*signature_size / 2] ^= 1;
	if (action == FAULTS_HALF)
		*signature_size /= 2;
	return faults_done(action) ? (CK_RV)faults_cause() : rv;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out);

CK_RV
C_GetFunctionList(CK_FUNCTION_LIST **out)
{
	void *softhsm = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *list;

	if (softhsm == NULL)
		return CKR_GENERAL_ERROR;
	get = (CK_C_GetFunctionList)dlsym(softhsm, "C_GetFunctionList");
	if (get == NULL || get(&list) != CKR_OK)
		return CKR_GENERAL_ERROR;
	good = faulty = *list;
	faulty.C_SignInit = sign_init;
	faulty.C_Sign = sign;
	*out = &faulty;
	return CKR_OK;
}
