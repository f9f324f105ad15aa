#include "ca/crl.h"

#include "ca/tbs.h"

/* RFC 5280 5.1.2, in the order of a TBSCertList. */
enum mm_error
mm_crl_read(struct mm_span tbs, struct mm_crl *out)
{
	struct mm_der outer = mm_der(tbs);
	struct mm_der fields = mm_der_enter(&outer, MM_DER_SEQUENCE);
	struct mm_span version = mm_der_unsigned(&fields);
	struct mm_span algorithm = mm_der_whole(&fields, MM_DER_SEQUENCE);
	struct mm_crl crl = {.issuer = mm_der_whole(&fields, MM_DER_SEQUENCE)};

	crl.this_update = mm_der_time(&fields);
	crl.next_update = mm_der_time(&fields);
	if (mm_der_peek(&fields) == MM_DER_SEQUENCE)
		mm_der_whole(&fields, MM_DER_SEQUENCE);
	mm_der_whole(&fields, MM_DER_CONTEXT_CONSTRUCTED);
	if (!mm_der_end(&fields) || !mm_der_end(&outer) || !mm_der_sound(tbs) ||
	    version.size != 1 || version.data[0] != 1 ||
	    !mm_span_equal(algorithm, mm_ecdsa_sha256))
		return mm_fail(
		    MM_E_CERTIFICATE, "it is no list of revoked certificates");
	*out = crl;
	return MM_OK;
}
