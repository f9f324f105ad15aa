/*
 * MCUboot images from whoever builds them: what the facts point to is in the
 * file, what is signed has one reading, and the signed file is read as such.
 */
#include <stdlib.h>
#include <string.h>

#include "signer/mcuboot_make.h"
#include "signer/readers.h"
#include "signer/schemes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 1 << 16, FILE_MAX = 1 << 22 };

/* A signature that is none, and a key that nobody has. */
static const uint8_t der[70] = {0x30, 68, 0x02, 32, 1};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
look(struct mm_span file, const struct mm_image_facts *facts)
{
	const struct mm_mcuboot_facts *mcuboot = facts->mcuboot.items;

	must(facts->mcuboot.count == 1);
	must(facts->length <= file.size);
	must(facts->trailing <= file.size - facts->length);
	must(facts->trailing > 0 || facts->blank);
	must(mcuboot->slot == 0 || mcuboot->slot == file.size);
	must(mcuboot->dependencies.count <= MM_DEPENDENCIES_MAX);
	for (mm_list_each(const struct mm_image_tlv, tlv, mcuboot->tlvs))
		must(tlv->offset <= facts->length &&
		     tlv->size <= facts->length - tlv->offset);
}

static enum mm_error
read_facts(
    struct mm_span file, struct mm_arena *arena, struct mm_image_facts *facts)
{
	struct mm_image_reading reading = {
	    .image = file, .arena = arena, .facts = facts};

	mm_arena_init(arena, ARENA);
	return mm_mcuboot_read(&reading);
}

static void
sign(struct mm_span file)
{
	struct mm_image image = {.bytes = file};
	struct mm_signed by = {.key.algorithm = MM_ALGORITHM_P256,
	    .signature = mm_span(der, sizeof(der))};
	struct mm_attached attached = {0};
	struct mm_image_facts facts = {0};
	mm_auto(arena) arena = {0};
	mm_auto(buffer) out = {0};

	mm_buffer_init(&out, FILE_MAX);
	if (mm_mcuboot_attach(&image, MM_RESIGN_REPLACE, &by, 1, &attached) !=
	    MM_OK)
		return;
	must(mm_attached_write(&attached, &out) == MM_OK);
	mm_attached_clear(&attached);
	must(read_facts(mm_buffer_span(&out), &arena, &facts) == MM_OK);
	must(facts.signatures.count == 1 && facts.trailing == 0);
	image.bytes = mm_buffer_span(&out);
	must(mm_mcuboot_verify(&image, (struct mm_span){0}, &by.key, NULL) !=
	     MM_OK);
	must(mm_mcuboot_attach(&image, MM_RESIGN_REFUSE, &by, 1, &attached) !=
	     MM_OK);
}

/* The same bytes as what people write. */
static void
read_texts(struct mm_span text)
{
	struct mm_mcuboot_making making = {0};
	mm_auto(arena) arena = {0};

	mm_arena_init(&arena, ARENA);
	(void)!mm_mcuboot_version_read(text, &making.version);
	(void)!mm_mcuboot_custom_read(text, &arena, &making);
	if (mm_mcuboot_dependencies_read(text, &making) == MM_OK)
		must(making.dependency_count > 0);
}

static void
read_file(struct mm_span file)
{
	struct mm_image_facts facts = {0};
	mm_auto(arena) arena = {0};

	if (read_facts(file, &arena, &facts) != MM_OK)
		return;
	look(file, &facts);
	sign(file);
}

/* No guess hits a SHA-256: it is put right, so that all behind it is seen. */
static void
read_with_hash(struct mm_span file)
{
	struct mm_mcuboot_layout layout;
	mm_auto(buffer) copy = {0};
	size_t at;

	if (mm_mcuboot_layout(file, &layout) != MM_OK)
		return;
	at = (size_t)(layout.hash.data - file.data);
	mm_buffer_init(&copy, FILE_MAX);
	mm_buffer_add(&copy, file.data, file.size);
	must(copy.error == MM_OK);
	must(mm_hash(mm_span(file.data, (size_t)layout.covered),
		 copy.data + at) == MM_OK);
	read_file(mm_buffer_span(&copy));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mm_span file = mm_span(data, size);

	if (size == 0)
		return 0;
	read_texts(file);
	read_file(file);
	read_with_hash(file);
	return 0;
}
