#include "ca/serial.h"

#include <sodium.h>
#include <string.h>

void
mm_serial_make(uint8_t out[MM_SERIAL_SIZE])
{
	randombytes_buf(out, MM_SERIAL_SIZE);
	/* Positive, and never a leading zero: 20 bytes in DER, always. */
	out[0] = (uint8_t)((out[0] & 0x7f) | 0x40);
}

/*
 * RFC 5280 4.1: TBSCertificate ::= SEQUENCE { [0] version 2, serialNumber.
 * Ours have a two-byte length, version 3 and a serial of 20 bytes.
 */
enum mm_error
mm_serial_of_tbs(struct mm_span tbs, uint8_t out[MM_SERIAL_SIZE])
{
	static const uint8_t head[] = {
	    0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, MM_SERIAL_SIZE};
	const size_t start = 4;

	if (tbs.size < start + sizeof(head) + MM_SERIAL_SIZE ||
	    tbs.data[0] != 0x30 || tbs.data[1] != 0x82 ||
	    memcmp(tbs.data + start, head, sizeof(head)) != 0)
		return mm_fail(
		    MM_E_CERTIFICATE, "the TBS does not begin like ours");
	memcpy(out, tbs.data + start + sizeof(head), MM_SERIAL_SIZE);
	return MM_OK;
}
