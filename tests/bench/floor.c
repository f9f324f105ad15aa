/*
 * The floor: what one issuance must cost whatever stands around it, one
 * verification of a CSR's signature by GnuTLS and one C_Sign of the token,
 * by the bare libraries, in CPU time.
 *
 *	floor MODULE    (SOFTHSM2_CONF names an empty token directory)
 */
#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <p11-kit/pkcs11.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 3000 };

static double
cpu(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
must(const char *what, bool good)
{
	if (good)
		return;
	fprintf(stderr, "floor: %s failed\n", what);
	exit(1);
}

static double
verify_csr(void)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crq_t csr;
	gnutls_datum_t der;
	double began;

	must("CSR",
	    gnutls_x509_privkey_init(&key) == 0 &&
		gnutls_x509_crq_init(&csr) == 0 &&
		gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
		    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
		gnutls_x509_crq_set_version(csr, 1) == 0 &&
		gnutls_x509_crq_set_dn(csr, "CN=floor", NULL) == 0 &&
		gnutls_x509_crq_set_key(csr, key) == 0 &&
		gnutls_x509_crq_sign2(csr, key, GNUTLS_DIG_SHA256, 0) == 0 &&
		gnutls_x509_crq_export2(csr, GNUTLS_X509_FMT_DER, &der) == 0);
	began = cpu();
	for (int i = 0; i < ROUNDS; i++) {
		gnutls_x509_crq_t one;

		must("verification", gnutls_x509_crq_init(&one) == 0 &&
					 gnutls_x509_crq_import(one, &der,
					     GNUTLS_X509_FMT_DER) == 0 &&
					 gnutls_x509_crq_verify(one, 0) == 0);
		gnutls_x509_crq_deinit(one);
	}
	return (cpu() - began) / ROUNDS;
}

static CK_SESSION_HANDLE
open_token(CK_FUNCTION_LIST *p11)
{
	CK_UTF8CHAR label[32], pin[] = "1234";
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;

	memset(label, ' ', sizeof(label));
	must("C_Initialize", p11->C_Initialize(NULL) == CKR_OK);
	must("C_GetSlotList",
	    p11->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK && count > 0);
	must(
	    "C_InitToken", p11->C_InitToken(slots[0], pin, 4, label) == CKR_OK);
	must("C_OpenSession",
	    p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION,
		NULL, NULL, &session) == CKR_OK);
	must("C_Login", p11->C_Login(session, CKU_SO, pin, 4) == CKR_OK &&
			    p11->C_InitPIN(session, pin, 4) == CKR_OK &&
			    p11->C_Logout(session) == CKR_OK &&
			    p11->C_Login(session, CKU_USER, pin, 4) == CKR_OK);
	return session;
}

static double
sign(const char *module)
{
	static CK_BYTE p256[] = {
	    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	static CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE public_[] = {{CKA_EC_PARAMS, p256, sizeof(p256)},
	    {CKA_TOKEN, &yes, sizeof(yes)}};
	CK_ATTRIBUTE private_[] = {{CKA_TOKEN, &yes, sizeof(yes)},
	    {CKA_SIGN, &yes, sizeof(yes)}, {CKA_PRIVATE, &yes, sizeof(yes)}};
	CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *p11 = NULL;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE half, key;
	CK_BYTE digest[32] = {1}, signature[128];
	void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	double began;

	must("dlopen", library != NULL);
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	must("C_GetFunctionList", get != NULL && get(&p11) == CKR_OK);
	session = open_token(p11);
	must("C_GenerateKeyPair",
	    p11->C_GenerateKeyPair(session, &generate, public_, 2, private_, 3,
		&half, &key) == CKR_OK);
	began = cpu();
	for (int i = 0; i < ROUNDS; i++) {
		CK_ULONG size = sizeof(signature);

		must(
		    "C_Sign", p11->C_SignInit(session, &ecdsa, key) == CKR_OK &&
				  p11->C_Sign(session, digest, sizeof(digest),
				      signature, &size) == CKR_OK);
	}
	return (cpu() - began) / ROUNDS;
}

int
main(int argc, char **argv)
{
	double verified, signed_;

	if (argc != 2)
		return 64;
	verified = verify_csr();
	signed_ = sign(argv[1]);
	printf("floor: CSR verification %.0f us + C_Sign %.0f us = %.0f us "
	       "of CPU\n",
	    verified * 1e6, signed_ * 1e6, (verified + signed_) * 1e6);
	/* SoftHSM crashes in its destructors now and then. */
	fflush(stdout);
	_exit(0);
}
