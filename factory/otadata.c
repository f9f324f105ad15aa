#include "factory/otadata.h"

#include <string.h>

#include "signer/crc.h"
#include "signer/numbers.h"

/* esp_ota_select_entry_t; all that is not written stays as erased: label,
 * and the state, 0xFFFFFFFF. */
enum { SEQUENCE = 0, SEQUENCE_SIZE = 4, CRC = 28, CRC_SIZE = 4 };

void
mm_otadata_make(int slot, uint8_t out[MM_OTADATA_SIZE])
{
	memset(out, 0xff, MM_OTADATA_SIZE);
	if (slot == MM_OTADATA_BLANK)
		return;
	/* slot = (sequence - 1) modulo the number of slots */
	mm_little_put((uint64_t)slot + 1, SEQUENCE_SIZE, out + SEQUENCE);
	mm_little_put(mm_crc_esp(mm_span(out + SEQUENCE, SEQUENCE_SIZE)),
	    CRC_SIZE, out + CRC);
}
