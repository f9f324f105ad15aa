/*
 * Secure Boot signatures behind arbitrary data. The first byte says what is
 * made of the rest: the end of a file as it is; or a sector of V2 blocks
 * behind a sector of data, with the CRCs and the digests put right, so that
 * more than these is tried.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/crc.h"
#include "signer/hashing.h"
#include "signer/scheme.h"
#include "signer/secure_boot_v2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ARENA_MAX = 1 << 16,
	SECTOR = MM_SECURE_BOOT_SECTOR,
	BLOCK = MM_SECURE_BOOT_BLOCK,
	CRC_AT = 1196,
	MODE_SECTOR = 1,
	MODE_CRC = 2,
	MODE_DIGEST = 4,
	MODE_RSA = 8
};

static const struct mm_scheme *
family(const char *name)
{
	return mm_scheme_family(mm_span_text(name));
}

/* A key by its digest verifies where a sound block has it; if all are sound,
 * each does. */
static void
try_keys(const struct mm_image *image)
{
	const struct mm_list *list = &image->facts->signatures;
	bool all = true;

	for (mm_list_each(const struct mm_signature_block, block, *list))
		all = all && block->sound;
	for (mm_list_each(const struct mm_signature_block, block, *list)) {
		enum mm_error error;

		if (block->key.size != 32)
			continue;
		error = family("secure-boot-v2")
			    ->verify(
				image, mm_span(NULL, 0), NULL, block->key.data);
		if (error == MM_OK ? !block->sound && list->count == 1 : all)
			abort();
	}
}

/* A signature of nobody's, attached in the place of what is there, is found
 * again. */
static void
try_attach(const struct mm_image *image, bool rsa)
{
	static const uint8_t der[] = {0x30, 6, 2, 1, 1, 2, 1, 1};
	static const uint8_t big[MM_RSA_BYTES] = {1};
	struct mm_signed nobody = {
	    .signature =
		rsa ? mm_span(big, sizeof(big)) : mm_span(der, sizeof(der))};
	struct mm_attached made = {.count = 0};
	struct mm_image_facts facts;
	mm_auto(buffer) file = {0};
	mm_auto(arena) arena = {0};

	/* Any odd modulus of 3072 bits; the point 0, 0 is on no curve. */
	memset(nobody.key.n, 0xFF, MM_RSA_BYTES);
	nobody.key.algorithm = rsa ? MM_ALGORITHM_RSA3072 : MM_ALGORITHM_P256;
	nobody.key.e = 65537;
	if (family("secure-boot-v2")
		->attach(image, MM_RESIGN_REPLACE, &nobody, 1, &made) != MM_OK)
		return;
	mm_buffer_init(&file, mm_attached_size(&made));
	mm_arena_init(&arena, ARENA_MAX);
	if (mm_attached_write(&made, &file) == MM_OK &&
	    (mm_image_read(mm_buffer_span(&file), mm_span_text("plain"), &arena,
		 &facts) != MM_OK ||
		facts.signatures.count != 1 ||
		mm_list_at(facts.signatures, struct mm_signature_block, 0)
		    ->sound))
		abort();
	mm_attached_clear(&made);
}

static void
try_file(struct mm_span file, bool rsa)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	struct mm_image image = {file, &facts};
	struct mm_public_key key = {.algorithm = MM_ALGORITHM_P256};
	uint8_t digest[32];

	mm_arena_init(&arena, ARENA_MAX);
	if (mm_image_read(file, mm_span_text("plain"), &arena, &facts) != MM_OK)
		return;
	try_keys(&image);
	try_attach(&image, rsa);
	(void)!family("secure-boot-v2")->digest(&image, digest);
	(void)!family("secure-boot-v1")->digest(&image, digest);
	/* The point 0, 0 is on no curve: nothing is its signature. */
	if (family("secure-boot-v1")
		->verify(&image, mm_span(NULL, 0), &key, NULL) == MM_OK)
		abort();
}

static void
mend(uint8_t *block, const uint8_t digest[32], unsigned mode)
{
	uint32_t crc;

	if (block[0] != 0xE7)
		return;
	if ((mode & MODE_DIGEST) != 0)
		memcpy(block + 4, digest, 32);
	crc = mm_crc_std(mm_span(block, CRC_AT));
	for (unsigned i = 0; i < 4 && (mode & MODE_CRC) != 0; i++)
		block[CRC_AT + i] = (uint8_t)(crc >> (8 * i));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t file[2 * SECTOR] = {0}, digest[32];
	unsigned mode = size > 0 ? data[0] : 0;
	size_t used = size < SECTOR ? size : SECTOR;

	if (size < 2)
		return 0;
	if ((mode & MODE_SECTOR) == 0) {
		try_file(mm_span(data + 1, size - 1), (mode & MODE_RSA) != 0);
		return 0;
	}
	memset(file + SECTOR, 0xFF, SECTOR);
	memcpy(file + SECTOR, data + 1, used - 1);
	if (mm_hash(mm_span(file, SECTOR), digest) != MM_OK)
		return 0;
	for (size_t i = 0; i < 3; i++)
		mend(file + SECTOR + i * BLOCK, digest, mode);
	try_file(mm_span(file, sizeof(file)), (mode & MODE_RSA) != 0);
	return 0;
}
