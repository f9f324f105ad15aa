/*
 * esp_secure_cert partitions: what is read lies in the file and can be signed,
 * and what was signed is read again, with that signature in its place. Each
 * input is read twice, as it is and with its checksums made right.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/crc.h"
#include "signer/readers.h"
#include "signer/schemes.h"
#include "signer/secure_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 1 << 16 };

/* The generator of P-256 (SEC 2, 2.4.2): a key as good as any. */
static const uint8_t generator[2][32] = {
    {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
	0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0,
	0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96},
    {0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a,
	0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
	0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5}};
/* r = s = 1 */
static const uint8_t some[] = {0x30, 6, 2, 1, 1, 2, 1, 1};

static void
must(bool held)
{
	if (!held)
		abort();
}

static void
inside(struct mm_span file, const struct mm_image_facts *facts)
{
	const struct mm_secure_cert_facts *cert = facts->secure_cert.items;
	uint64_t before = 0;

	must(facts->secure_cert.count == 1 && cert->covered <= file.size);
	must(facts->blank);
	for (mm_list_each(const struct mm_secure_cert_tlv, tlv, cert->tlvs)) {
		must(tlv->offset >= before + MM_SECURE_CERT_HEADER);
		must(tlv->offset <= file.size &&
		     tlv->size <= file.size - tlv->offset);
		before = tlv->offset + tlv->size;
	}
	for (mm_list_each(
		 const struct mm_signature_block, block, facts->signatures))
		must(block->offset >= cert->covered &&
		     block->offset < file.size);
}

static void
sign(struct mm_span file, const struct mm_image_facts *facts,
    enum mm_resign resign)
{
	mm_auto(attached) attached = {0};
	mm_auto(arena) arena = {0};
	mm_auto(buffer) made = {0};
	struct mm_image image = {file, facts};
	struct mm_image_facts again;
	struct mm_signed ours = {.signature = {some, sizeof(some)}};
	uint8_t before[32], after[32];
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	must(mm_public_key_point(MM_ALGORITHM_P256, generator[0], generator[1],
		 &ours.key) == MM_OK);
	error = mm_secure_cert_attach(&image, resign, &ours, 1, &attached);
	/* Too many signatures or TLVs. */
	if (error == MM_E_IMAGE_SIGNED || error == MM_E_IMAGE)
		return;
	must(error == MM_OK);
	mm_buffer_init(&made, file.size + 8192);
	must(mm_attached_write(&attached, &made) == MM_OK);
	must(mm_image_read(mm_buffer_span(&made), mm_span_text("secure-cert"),
		 &arena, &again) == MM_OK);
	must(again.signatures.count > 0);
	must(mm_secure_cert_digest(&image, before) == MM_OK);
	image = (struct mm_image){mm_buffer_span(&made), &again};
	must(mm_secure_cert_digest(&image, after) == MM_OK);
	must(memcmp(before, after, sizeof(after)) == 0);
	must(mm_secure_cert_verify(&image, (struct mm_span){0}, &ours.key,
		 NULL) == MM_E_IMAGE_SIGNATURE);
}

/* The CRC of each TLV, as far as they go, and the integrity TLVs' sums. */
static void
mend(uint8_t *data, size_t size)
{
	size_t at = 0;

	while (size - at > MM_SECURE_CERT_HEADER) {
		uint8_t *tlv = data + at;
		size_t value = (size_t)tlv[10] | (size_t)tlv[11] << 8;
		size_t whole = (size_t)mm_secure_cert_tlv_size(value);
		uint32_t crc;

		if (whole > size - at)
			return;
		if (tlv[8] == MM_SECURE_CERT_INTEGRITY && value == 32)
			must(mm_hash(mm_span(data, at),
				 tlv + MM_SECURE_CERT_HEADER) == MM_OK);
		crc = mm_crc_esp(mm_span(tlv, whole - MM_SECURE_CERT_FOOTER));
		for (size_t i = 0; i < MM_SECURE_CERT_FOOTER; i++)
			tlv[whole - MM_SECURE_CERT_FOOTER + i] =
			    (uint8_t)(crc >> 8 * i);
		at += whole;
	}
}

static void
go_round(struct mm_span file)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;

	mm_arena_init(&arena, ARENA);
	if (mm_image_read(file, mm_span_text("secure-cert"), &arena, &facts) !=
	    MM_OK)
		return;
	inside(file, &facts);
	for (int resign = 0; resign < MM_RESIGN_WAYS; resign++)
		sign(file, &facts, (enum mm_resign)resign);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	mm_auto(buffer) copy = {0};

	go_round(mm_span(data, size));
	mm_buffer_init(&copy, size + 1);
	mm_buffer_add(&copy, data, size);
	if (copy.data != NULL)
		mend(copy.data, copy.size);
	go_round(mm_buffer_span(&copy));
	return 0;
}
