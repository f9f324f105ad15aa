#include "signer/image.h"

#include <string.h>

#include "signer/hashing.h"
#include "signer/readers.h"
#include "signer/secure_boot_v2.h"

enum { SECTOR = MM_SECURE_BOOT_SECTOR, V1_SIZE = MM_SECURE_BOOT_V1_SIZE };

static const char *const names[] = {
    [MM_FORMAT_PLAIN] = "plain",
    [MM_FORMAT_ESP_APP] = "esp-app",
    [MM_FORMAT_BOOTLOADER] = "esp-bootloader",
    [MM_FORMAT_ESP_IMAGE] = "esp-image",
    [MM_FORMAT_MCUBOOT] = "mcuboot",
    [MM_FORMAT_PARTITIONS] = "partition-table",
    [MM_FORMAT_SECURE_CERT] = "secure-cert",
};

const char *
mm_image_format_name(enum mm_image_format format)
{
	return (size_t)format < MM_COUNT(names) ? names[format] : NULL;
}

/* Nothing is known of it, but Secure Boot signs any data. */
static enum mm_error
read_plain(struct mm_image_reading *r)
{
	struct mm_image_facts *facts = r->facts;
	enum mm_error error;

	facts->format = mm_span_text(names[MM_FORMAT_PLAIN]);
	error = mm_secure_boot_v2_read(r);
	if (error != MM_OK || facts->signatures.count > 0)
		return error;
	if (r->image.size <= V1_SIZE)
		return MM_OK;
	error = mm_secure_boot_v1_read(r, r->image.size - V1_SIZE);
	if (error == MM_OK && facts->signatures.count > 0)
		facts->length = r->image.size - V1_SIZE;
	return error;
}

/* The readers and how the files begin that they read; the last reads any. */
static const struct reader {
	enum mm_image_format first, last; /* what it may turn out to be */
	uint8_t magic[4];
	size_t magic_size;
	/* A look before all is hashed: the prefix whose hash or sum it will
	 * need (of size 0: none). NULL: it needs none. */
	enum mm_error (*look)(
	    struct mm_span image, struct mm_prefix_hash *prefix);
	enum mm_error (*read)(struct mm_image_reading *r);
} readers[] = {
    {MM_FORMAT_ESP_APP, MM_FORMAT_ESP_IMAGE, {0xE9}, 1, mm_esp_look,
	mm_esp_read},
    {MM_FORMAT_MCUBOOT, MM_FORMAT_MCUBOOT, {0x3D, 0xB8, 0xF3, 0x96}, 4,
	mm_mcuboot_look, mm_mcuboot_read},
    {MM_FORMAT_PARTITIONS, MM_FORMAT_PARTITIONS, {0xAA, 0x50}, 2, NULL,
	mm_partitions_read},
    {MM_FORMAT_SECURE_CERT, MM_FORMAT_SECURE_CERT, {0x11, 0xBA, 0x5E, 0xBA}, 4,
	NULL, mm_secure_cert_read},
    {MM_FORMAT_PLAIN, MM_FORMAT_PLAIN, {0}, 0, NULL, read_plain},
};

static bool
begins_so(struct mm_span image, const struct reader *reader)
{
	return image.size >= reader->magic_size &&
	       memcmp(image.data, reader->magic, reader->magic_size) == 0;
}

static bool
reads(const struct reader *reader, struct mm_span as)
{
	for (unsigned i = reader->first; i <= reader->last; i++)
		if (mm_span_is(as, names[i]))
			return true;
	return false;
}

static enum mm_error
choose(struct mm_span image, struct mm_span as, const struct reader **out)
{
	for (size_t i = 0; i < MM_COUNT(readers); i++) {
		const struct reader *reader = &readers[i];
		bool begins = begins_so(image, reader);

		if (as.size > 0 ? !reads(reader, as) : !begins)
			continue;
		if (!begins)
			return mm_image_wrong("at byte 0: the file does not "
					      "begin as %.*s does",
			    MM_SPAN(as));
		*out = reader;
		return MM_OK;
	}
	return mm_image_wrong("there is no format %.*s", MM_SPAN(as));
}

/* Ascending: the lists of prefixes are. */
static void
want(struct mm_image_reading *r, struct mm_prefix_hash prefix)
{
	size_t at = r->known_count;

	if (prefix.size == 0 || prefix.size > r->image.size)
		return;
	for (; at > 0 && r->known[at - 1].size > prefix.size; at--)
		r->known[at] = r->known[at - 1];
	r->known[at] = prefix;
	r->known_count++;
}

/* What a sector of Secure Boot V2 would be over. */
static uint64_t
before_sector(struct mm_span image)
{
	if (image.size <= SECTOR || image.size % SECTOR != 0)
		return 0;
	return image.data[image.size - SECTOR] == MM_SECURE_BOOT_MAGIC
		   ? image.size - SECTOR
		   : 0;
}

enum mm_error
mm_reading_hash(struct mm_image_reading *r, uint64_t size, uint8_t out[32])
{
	struct mm_prefix_hash prefix = {.size = size};
	enum mm_error error;

	for (size_t i = 0; i < r->known_count; i++)
		if (r->known[i].size == size) {
			memcpy(out, r->known[i].out, 32);
			return MM_OK;
		}
	error = mm_hash_prefixes((struct mm_span){0}, r->image, &prefix, 1);
	if (error == MM_OK)
		memcpy(out, prefix.out, 32);
	return error;
}

uint8_t
mm_reading_sum(const struct mm_image_reading *r)
{
	for (size_t i = 0; i < r->known_count; i++)
		if (r->known[i].summed)
			return r->known[i].sum;
	return 0;
}

static enum mm_error
read_by(const struct reader *reader, struct mm_image_reading *r)
{
	struct mm_prefix_hash prefix = {0};
	enum mm_error error = MM_OK;

	if (reader->look != NULL)
		error = reader->look(r->image, &prefix);
	if (error != MM_OK)
		return error;
	want(r, prefix);
	want(r, (struct mm_prefix_hash){.size = before_sector(r->image)});
	want(r, (struct mm_prefix_hash){.size = r->image.size});
	error = mm_hash_prefixes(
	    (struct mm_span){0}, r->image, r->known, r->known_count);
	if (error == MM_OK)
		error = mm_reading_hash(r, r->image.size, r->facts->sha256);
	return error == MM_OK ? reader->read(r) : error;
}

enum mm_error
mm_image_read(struct mm_span image, struct mm_span as, struct mm_arena *arena,
    struct mm_image_facts *out)
{
	struct mm_image_facts facts = {
	    .size = image.size, .length = image.size, .blank = true};
	struct mm_image_reading r = {
	    .image = image, .arena = arena, .facts = &facts};
	const struct reader *reader = NULL;
	enum mm_error error;

	if (image.size == 0)
		return mm_fail(MM_E_INSPECTOR, "the image is empty");
	error = choose(image, as, &reader);
	if (error == MM_OK)
		error = read_by(reader, &r);
	if (error != MM_OK)
		return error;
	if (as.size > 0 && !mm_span_equal(as, facts.format))
		return mm_image_wrong("the file is %.*s, and not %.*s",
		    MM_SPAN(facts.format), MM_SPAN(as));
	*out = facts;
	return MM_OK;
}
