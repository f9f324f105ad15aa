/*
 * Writes the image from front to back; the hash is over what is there by then.
 */
#include "signer/mcuboot_make.h"

#include <inttypes.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/numbers.h"

enum {
	INFO = 4,
	RECORD = 4,
	HASH = 32,
	DEPENDENCY = 12,
	COUNTER = 4,
	/* The unprotected TLVs that come with a signature: a key's hash and
	 * the longest DER. */
	SIGNATURE = RECORD + HASH + RECORD + MM_MCUBOOT_SIGNATURE_MAX
};

static void
add_number(struct mm_buffer *out, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	mm_little_put(value, size, bytes);
	mm_buffer_add(out, bytes, size);
}

static void
add_fill(struct mm_buffer *out, uint8_t value, uint64_t size)
{
	uint8_t *bytes = mm_buffer_grow(out, (size_t)size);

	if (bytes != NULL && size > 0)
		memset(bytes, value, (size_t)size);
}

static uint64_t
protected_size(const struct mm_mcuboot_making *m)
{
	uint64_t size = m->dependency_count * (RECORD + DEPENDENCY);

	if (m->counted)
		size += RECORD + COUNTER;
	for (size_t i = 0; i < m->custom_count; i++)
		size += RECORD + m->customs[i].value.size;
	return size > 0 ? INFO + size : 0;
}

/* Of the image without a signature. */
static uint64_t
image_size(const struct mm_mcuboot_making *m)
{
	return m->header + m->payload.size + protected_size(m) + INFO + RECORD +
	       HASH;
}

/* --- what is asked for, before anything is written --- */

static enum mm_error
check_align(const struct mm_mcuboot_making *m)
{
	for (uint64_t align = 1; align <= 32; align *= 2)
		if (m->align == align)
			return MM_OK;
	return mm_fail(MM_E_RANGE,
	    "a flash's writes have 1, 2, 4, 8, 16 or 32 bytes, not %" PRIu64,
	    m->align);
}

static enum mm_error
check_numbers(const struct mm_mcuboot_making *m)
{
	const struct {
		const char *what;
		uint64_t value, min, max;
	} bounds[] = {
	    {"the header's size", m->header, MM_MCUBOOT_HEADER, UINT16_MAX},
	    {"the payload's size", m->payload.size, 0, UINT32_MAX},
	    {"the major version", m->version.major, 0, UINT8_MAX},
	    {"the minor version", m->version.minor, 0, UINT8_MAX},
	    {"the revision", m->version.revision, 0, UINT16_MAX},
	    {"the build", m->version.build, 0, UINT32_MAX},
	    {"the security counter", m->counter, 0, UINT32_MAX},
	    {"the load address", m->load_address, 0, UINT32_MAX},
	    {"the protected TLVs' size", protected_size(m), 0, UINT16_MAX},
	};

	for (size_t i = 0; i < MM_COUNT(bounds); i++)
		if (bounds[i].value < bounds[i].min ||
		    bounds[i].value > bounds[i].max)
			return mm_fail(MM_E_RANGE,
			    "%s is %" PRIu64 "; %" PRIu64 " to %" PRIu64
			    " is possible",
			    bounds[i].what, bounds[i].value, bounds[i].min,
			    bounds[i].max);
	if (m->erased != 0xff && m->erased != 0)
		return mm_fail(MM_E_RANGE,
		    "erased flash reads as 0xff or 0, not 0x%02x", m->erased);
	return check_align(m);
}

static enum mm_error
check_customs(const struct mm_mcuboot_making *m)
{
	for (size_t i = 0; i < m->custom_count; i++) {
		uint64_t type = m->customs[i].type;

		if (type < MM_MCUBOOT_VENDOR_MIN ||
		    type > MM_MCUBOOT_VENDOR_MAX)
			return mm_fail(MM_E_RANGE,
			    "TLV 0x%02" PRIx64 " is not a vendor's: those are "
			    "0x%02x to 0x%04x",
			    type, MM_MCUBOOT_VENDOR_MIN, MM_MCUBOOT_VENDOR_MAX);
		for (size_t j = 0; j < i; j++)
			if (m->customs[j].type == type)
				return mm_fail(MM_E_RANGE,
				    "TLV 0x%02" PRIx64 " is asked for twice",
				    type);
	}
	return MM_OK;
}

static enum mm_error
check_slot(const struct mm_mcuboot_making *m)
{
	uint64_t size = image_size(m) + SIGNATURE;
	uint64_t trailer = mm_mcuboot_trailer((unsigned)m->align);

	if (m->slot == 0 && (m->pad || m->confirm))
		return mm_fail(MM_E_RANGE, "padding needs the slot's size");
	if (m->slot > UINT32_MAX)
		return mm_fail(MM_E_RANGE,
		    "a slot has at most 4 GiB, not %" PRIu64 " bytes", m->slot);
	if (m->slot != 0 && size + trailer > m->slot)
		return mm_fail(MM_E_RANGE,
		    "the signed image has up to %" PRIu64
		    " bytes, and the bootloader keeps %" PRIu64
		    " for its trailer: that is more than the slot's %" PRIu64,
		    size, trailer, m->slot);
	return MM_OK;
}

static enum mm_error
check_payload(struct mm_span payload)
{
	if (payload.size == 0)
		return mm_fail(MM_E_IMAGE, "the payload is empty");
	if (payload.size >= 4 && mm_little(payload.data, 4) == MM_MCUBOOT_MAGIC)
		return mm_fail(
		    MM_E_IMAGE, "the payload is an MCUboot image already");
	return MM_OK;
}

static enum mm_error
check(const struct mm_mcuboot_making *m)
{
	enum mm_error error = check_payload(m->payload);

	if (error == MM_OK)
		error = check_numbers(m);
	if (error == MM_OK)
		error = check_customs(m);
	return error == MM_OK ? check_slot(m) : error;
}

/* --- the image --- */

static void
add_version(struct mm_buffer *out, const struct mm_image_version *version)
{
	add_number(out, version->major, 1);
	add_number(out, version->minor, 1);
	add_number(out, version->revision, 2);
	add_number(out, version->build, 4);
}

/* struct image_header (bootutil/image.h), filled up. */
static void
add_header(struct mm_buffer *out, const struct mm_mcuboot_making *m)
{
	add_number(out, MM_MCUBOOT_MAGIC, 4);
	add_number(out, m->load_address, 4);
	add_number(out, m->header, 2);
	add_number(out, protected_size(m), 2);
	add_number(out, m->payload.size, 4);
	add_number(out, m->load_address != 0 ? MM_MCUBOOT_RAM_LOAD : 0, 4);
	add_version(out, &m->version);
	add_number(out, 0, 4);
	add_fill(out, m->erased, m->header - MM_MCUBOOT_HEADER);
}

static void
begin_tlv(struct mm_buffer *out, uint64_t type, uint64_t size)
{
	add_number(out, type, 2);
	add_number(out, size, 2);
}

static void
add_protected(struct mm_buffer *out, const struct mm_mcuboot_making *m)
{
	if (protected_size(m) == 0)
		return;
	begin_tlv(out, MM_MCUBOOT_PROTECTED, protected_size(m));
	if (m->counted) {
		begin_tlv(out, MM_MCUBOOT_COUNTER, COUNTER);
		add_number(out, m->counter, COUNTER);
	}
	for (size_t i = 0; i < m->dependency_count; i++) {
		begin_tlv(out, MM_MCUBOOT_DEPENDENCY, DEPENDENCY);
		add_number(out, m->dependencies[i].image, 4);
		add_version(out, &m->dependencies[i].at_least);
	}
	for (size_t i = 0; i < m->custom_count; i++) {
		struct mm_span value = m->customs[i].value;

		begin_tlv(out, m->customs[i].type, value.size);
		mm_buffer_add(out, value.data, value.size);
	}
}

static enum mm_error
add_hash(struct mm_buffer *out, size_t start)
{
	uint8_t hash[HASH];
	enum mm_error error;

	if (out->error != MM_OK)
		return out->error;
	error = mm_hash(mm_span(out->data + start, out->size - start), hash);
	if (error != MM_OK)
		return error;
	begin_tlv(out, MM_MCUBOOT_UNPROTECTED, INFO + RECORD + HASH);
	begin_tlv(out, MM_MCUBOOT_SHA256, HASH);
	mm_buffer_add(out, hash, sizeof(hash));
	return MM_OK;
}

static void
add_padding(
    struct mm_buffer *out, const struct mm_mcuboot_making *m, size_t start)
{
	unsigned align = (unsigned)m->align;
	uint64_t ok = mm_mcuboot_image_ok(m->slot, align);
	uint8_t magic[MM_MCUBOOT_TRAILER_MAGIC];

	mm_mcuboot_trailer_magic(align, magic);
	add_fill(out, m->erased, ok - (out->size - start));
	add_number(out, m->confirm ? 1 : m->erased, 1);
	add_fill(out, m->erased, m->slot - sizeof(magic) - ok - 1);
	mm_buffer_add(out, magic, sizeof(magic));
}

enum mm_error
mm_mcuboot_make(const struct mm_mcuboot_making *m, struct mm_buffer *out)
{
	size_t start = out->size;
	enum mm_error error = check(m);

	if (error != MM_OK)
		return error;
	add_header(out, m);
	mm_buffer_add(out, m->payload.data, m->payload.size);
	add_protected(out, m);
	error = add_hash(out, start);
	if (error == MM_OK && out->error == MM_OK && (m->pad || m->confirm))
		add_padding(out, m, start);
	return error != MM_OK ? error : out->error;
}
