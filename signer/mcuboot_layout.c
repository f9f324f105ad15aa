/*
 * Walks an MCUboot image once, from its header through its TLVs to the end of
 * the slot. Sizes are added in 64 bits: two fields of 32 bits and three of 16
 * cannot overflow them.
 */
#include <inttypes.h>
#include <string.h>

#include "signer/hashing.h"
#include "signer/mcuboot.h"
#include "signer/numbers.h"
#include "signer/readers.h"

enum { INFO = 4, RECORD = 4 };

/* What is known of a type: where it must be, how long, how often. */
struct tlv_kind {
	uint64_t type;
	const char *name;
	enum { EITHER, COVERED, UNCOVERED } place;
	uint64_t size; /* 0: any */
	bool once;
};
static const struct tlv_kind kinds[] = {
    {MM_MCUBOOT_KEY_HASH, "key hash", UNCOVERED, 32, true},
    {MM_MCUBOOT_PUBLIC_KEY, "public key", UNCOVERED, 0, true},
    {MM_MCUBOOT_SHA256, "SHA-256", UNCOVERED, 32, true},
    {0x11, "SHA-384", UNCOVERED, 48, true},
    {0x12, "SHA-512", UNCOVERED, 64, true},
    {0x30, "RSA-encrypted key", UNCOVERED, 0, true},
    {0x31, "wrapped key", UNCOVERED, 0, true},
    {0x32, "P-256-encrypted key", UNCOVERED, 0, true},
    {0x33, "X25519-encrypted key", UNCOVERED, 0, true},
    {0x34, "X25519-encrypted key", UNCOVERED, 0, true},
    /* The bootloader looks for these in the protected area alone. */
    {MM_MCUBOOT_DEPENDENCY, "dependency", COVERED, 12, false},
    {MM_MCUBOOT_COUNTER, "security counter", COVERED, 4, true},
};
static const struct tlv_kind signature_kind = {
    MM_MCUBOOT_SIGNATURES, "signature", UNCOVERED, 0, true};
/* Of vendors, and of bootloaders to come. */
static const struct tlv_kind other_kind = {0, "TLV", EITHER, 0, false};

static const struct {
	uint64_t type;
	const char *name;
} algorithms[] = {{0x20, "RSA-2048"}, {0x21, "P-224"},
    {MM_MCUBOOT_ECDSA, "P-256"}, {0x23, "RSA-3072"}, {0x24, "Ed25519"}};

const char *
mm_mcuboot_algorithm(uint64_t type)
{
	if ((type & ~UINT64_C(0x0f)) != MM_MCUBOOT_SIGNATURES)
		return NULL;
	for (size_t i = 0; i < MM_COUNT(algorithms); i++)
		if (algorithms[i].type == type)
			return algorithms[i].name;
	return "unknown";
}

static const struct tlv_kind *
find_kind(uint64_t type)
{
	if (mm_mcuboot_algorithm(type) != NULL)
		return &signature_kind;
	for (size_t i = 0; i < MM_COUNT(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return &other_kind;
}

static bool
has_type(const struct mm_mcuboot_layout *l, uint64_t type)
{
	for (size_t i = 0; i < l->tlv_count; i++)
		if (l->tlvs[i].type == type)
			return true;
	return false;
}

static enum mm_error
check_tlv(const struct mm_mcuboot_layout *l, const struct mm_image_tlv *tlv)
{
	const struct tlv_kind *kind = find_kind(tlv->type);

	if (kind->size != 0 && tlv->size != kind->size)
		return mm_image_wrong("the %s (TLV 0x%02" PRIx64
				      ") at offset 0x%" PRIx64 " has %" PRIu64
				      " bytes; it should have %" PRIu64,
		    kind->name, tlv->type, tlv->offset, tlv->size, kind->size);
	if (kind->place != EITHER && (kind->place == COVERED) != tlv->covered)
		return mm_image_wrong(
		    "the %s (TLV 0x%02" PRIx64 ") at offset 0x%" PRIx64
		    " is in the %s area; a "
		    "bootloader looks for it in the other one",
		    kind->name, tlv->type, tlv->offset,
		    tlv->covered ? "protected" : "unprotected");
	if (kind->once && has_type(l, tlv->type))
		return mm_image_wrong(
		    "the %s (TLV 0x%02" PRIx64
		    ") is there twice, again at offset 0x%" PRIx64,
		    kind->name, tlv->type, tlv->offset);
	return MM_OK;
}

static void
note_tlv(struct mm_mcuboot_layout *l, const struct mm_image_tlv *tlv)
{
	struct mm_span value =
	    mm_span(l->image.data + tlv->offset, (size_t)tlv->size);
	const struct {
		uint64_t type;
		struct mm_span *out;
	} wanted[] = {{MM_MCUBOOT_KEY_HASH, &l->key_hash},
	    {MM_MCUBOOT_PUBLIC_KEY, &l->public_key},
	    {MM_MCUBOOT_SHA256, &l->hash}, {MM_MCUBOOT_ECDSA, &l->ecdsa},
	    {MM_MCUBOOT_COUNTER, &l->counter}};

	for (size_t i = 0; i < MM_COUNT(wanted); i++)
		if (wanted[i].type == tlv->type)
			*wanted[i].out = value;
	l->signatures += mm_mcuboot_algorithm(tlv->type) != NULL;
	if (!tlv->covered && find_kind(tlv->type) == &other_kind &&
	    l->stray == 0)
		l->stray = tlv->offset;
	l->tlvs[l->tlv_count++] = *tlv;
}

/* One record at `*at`, in an area that ends at `end`. */
static enum mm_error
read_tlv(struct mm_mcuboot_layout *l, bool covered, uint64_t end, uint64_t *at)
{
	const uint8_t *record = l->image.data + *at;
	struct mm_image_tlv tlv = {.offset = *at + RECORD, .covered = covered};
	enum mm_error error;

	if (end - *at < RECORD)
		return mm_image_wrong("%" PRIu64 " bytes are left at offset "
				      "0x%" PRIx64 ", too few for a TLV",
		    end - *at, *at);
	tlv.type = mm_little(record, 2);
	tlv.size = mm_little(record + 2, 2);
	if (tlv.size > end - tlv.offset)
		return mm_image_wrong("TLV 0x%02" PRIx64 " at offset 0x%" PRIx64
				      " has %" PRIu64
				      " bytes; its area ends after %" PRIu64,
		    tlv.type, *at, tlv.size, end - tlv.offset);
	if (l->tlv_count == MM_TLVS_MAX)
		return mm_image_wrong("it has more than %d TLVs", MM_TLVS_MAX);
	error = check_tlv(l, &tlv);
	if (error != MM_OK)
		return error;
	note_tlv(l, &tlv);
	*at = tlv.offset + tlv.size;
	return MM_OK;
}

/* An area from `*at` on: magic, size with these four bytes, records. */
static enum mm_error
read_area(struct mm_mcuboot_layout *l, uint64_t magic, uint64_t *at)
{
	uint64_t left = l->image.size - *at, size, end;
	const uint8_t *info = l->image.data + *at;
	enum mm_error error = MM_OK;

	if (left < INFO)
		return mm_image_wrong("the file ends at offset 0x%zx, where "
				      "TLVs should begin at 0x%" PRIx64,
		    l->image.size, *at);
	if (mm_little(info, 2) != magic)
		return mm_image_wrong("at offset 0x%" PRIx64
				      " TLVs should begin with 0x%" PRIx64
				      "; there is 0x%04" PRIx64,
		    *at, magic, mm_little(info, 2));
	size = mm_little(info + 2, 2);
	if (size < INFO || size > left)
		return mm_image_wrong("the TLVs at offset 0x%" PRIx64
				      " have %" PRIu64
				      " bytes; the file has %" PRIu64 " there",
		    *at, size, left);
	end = *at + size;
	*at += INFO;
	while (*at < end && error == MM_OK)
		error = read_tlv(l, magic == MM_MCUBOOT_PROTECTED, end, at);
	return error;
}

static enum mm_error
read_header(struct mm_mcuboot_layout *l, uint64_t *protected)
{
	const uint8_t *h = l->image.data;

	if (l->image.size < MM_MCUBOOT_HEADER)
		return mm_image_wrong("%zu bytes are too few for an MCUboot "
				      "header of 32",
		    l->image.size);
	if (mm_little(h, 4) != MM_MCUBOOT_MAGIC)
		return mm_image_wrong("it begins with 0x%08" PRIx64
				      ", not with MCUboot's 0x%08x",
		    mm_little(h, 4), MM_MCUBOOT_MAGIC);
	l->load_address = mm_little(h + 4, 4);
	l->header = mm_little(h + 8, 2);
	*protected = mm_little(h + 10, 2);
	l->payload = mm_little(h + 12, 4);
	l->flags = mm_little(h + 16, 4);
	l->version = (struct mm_image_version){
	    h[20], h[21], mm_little(h + 22, 2), mm_little(h + 24, 4)};
	if (l->header < MM_MCUBOOT_HEADER)
		return mm_image_wrong("the header's size (offset 8) is %" PRIu64
				      ", less than 32",
		    l->header);
	if (l->header + l->payload + *protected > l->image.size)
		return mm_image_wrong("header (%" PRIu64 "), payload (%" PRIu64
				      ") and protected TLVs (%" PRIu64
				      ") are more than the file's %zu bytes",
		    l->header, l->payload, *protected, l->image.size);
	return MM_OK;
}

static enum mm_error
read_protected(struct mm_mcuboot_layout *l, uint64_t size, uint64_t *at)
{
	uint64_t start = *at;
	enum mm_error error;

	if (size == 0)
		return MM_OK;
	error = read_area(l, MM_MCUBOOT_PROTECTED, at);
	if (error == MM_OK && *at - start != size)
		return mm_image_wrong(
		    "the header (offset 10) says %" PRIu64
		    " bytes of protected TLVs; there are %" PRIu64,
		    size, *at - start);
	return error;
}

/* Whether all behind the TLVs is a slot's, as its trailer ends it. */
static bool
read_slot(struct mm_mcuboot_layout *l, unsigned align)
{
	uint64_t size = l->image.size, ok = mm_mcuboot_image_ok(size, align);
	const uint8_t *data = l->image.data;
	uint8_t magic[MM_MCUBOOT_TRAILER_MAGIC], erased;
	uint64_t last = size - sizeof(magic);

	if (size < mm_mcuboot_trailer(1) || ok <= l->end)
		return false;
	mm_mcuboot_trailer_magic(align, magic);
	erased = data[l->end];
	if (memcmp(data + last, magic, sizeof(magic)) != 0 ||
	    (erased != 0xff && erased != 0) ||
	    (data[ok] != erased && data[ok] != 1))
		return false;
	if (!mm_image_is_all(mm_span(data + l->end, ok - l->end), erased) ||
	    !mm_image_is_all(mm_span(data + ok + 1, last - ok - 1), erased))
		return false;
	l->slot = size;
	l->erased = erased;
	l->align = align;
	l->confirmed = data[ok] == 1;
	return true;
}

enum mm_error
mm_mcuboot_layout(struct mm_span image, struct mm_mcuboot_layout *out)
{
	static const unsigned aligns[] = {8, 16, 32};
	struct mm_mcuboot_layout l = {.image = image};
	uint64_t at, protected = 0;
	enum mm_error error = read_header(&l, &protected);

	at = l.header + l.payload;
	if (error == MM_OK)
		error = read_protected(&l, protected, &at);
	l.covered = at;
	if (error == MM_OK)
		error = read_area(&l, MM_MCUBOOT_UNPROTECTED, &at);
	if (error != MM_OK)
		return error;
	if (l.hash.size == 0)
		return mm_image_wrong(
		    "the TLVs at offset 0x%" PRIx64
		    " have no SHA-256 (0x10); images with other hashes are "
		    "not known here",
		    l.covered);
	l.end = at;
	for (size_t i = 0; i < MM_COUNT(aligns) && l.slot == 0; i++)
		(void)read_slot(&l, aligns[i]);
	*out = l;
	return MM_OK;
}

enum mm_error
mm_mcuboot_check_hash(
    const struct mm_mcuboot_layout *l, const uint8_t digest[32])
{
	if ((l->flags & MM_MCUBOOT_ENCRYPTED) != 0)
		return mm_image_wrong(
		    "the image is encrypted (flags 0x%" PRIx64
		    " at offset 16): its hash is over what it was before",
		    l->flags);
	if (memcmp(digest, l->hash.data, l->hash.size) != 0)
		return mm_image_wrong(
		    "its SHA-256 (TLV 0x10) is not that of "
		    "header, payload and protected TLVs: a byte of the first "
		    "%" PRIu64 " was changed",
		    l->covered);
	return MM_OK;
}

enum mm_error
mm_mcuboot_hash(const struct mm_mcuboot_layout *l, uint8_t out[32])
{
	uint8_t digest[32];
	enum mm_error error =
	    mm_hash(mm_span(l->image.data, (size_t)l->covered), digest);

	if (error == MM_OK)
		error = mm_mcuboot_check_hash(l, digest);
	if (error == MM_OK)
		memcpy(out, digest, sizeof(digest));
	return error;
}

struct mm_span
mm_mcuboot_signature(const struct mm_mcuboot_layout *l)
{
	struct mm_span s = l->ecdsa;
	size_t der = s.size >= 2 ? 2 + (size_t)s.data[1] : s.size;

	/* SEQUENCE, its length in one byte: X.690 8.1.3.4. */
	if (s.size == MM_MCUBOOT_SIGNATURE_MAX && s.data[0] == 0x30 &&
	    der < s.size &&
	    mm_image_is_all(mm_span(s.data + der, s.size - der), 0))
		s.size = der;
	return s;
}

/* --- the trailer (MCUboot bootutil_public.c) --- */

void
mm_mcuboot_trailer_magic(unsigned align, uint8_t out[MM_MCUBOOT_TRAILER_MAGIC])
{
	static const uint8_t usual[MM_MCUBOOT_TRAILER_MAGIC] = {0x77, 0xc2,
	    0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c,
	    0xb6, 0x79, 0x80};
	/* Writes over 8 bytes say so in the first two. */
	static const uint8_t wide[MM_MCUBOOT_TRAILER_MAGIC] = {0, 0, 0x2d, 0xe1,
	    0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f,
	    0x8a};

	memcpy(out, align > 8 ? wide : usual, MM_MCUBOOT_TRAILER_MAGIC);
	if (align > 8)
		out[0] = (uint8_t)align;
}

static uint64_t
unit(unsigned align)
{
	return align > 8 ? align : 8;
}

static uint64_t
magic_room(unsigned align)
{
	uint64_t u = unit(align);

	return (MM_MCUBOOT_TRAILER_MAGIC + u - 1) / u * u;
}

uint64_t
mm_mcuboot_image_ok(uint64_t slot, unsigned align)
{
	return slot - magic_room(align) - unit(align);
}

uint64_t
mm_mcuboot_trailer(unsigned align)
{
	enum { SECTORS = 128, STATES = 3, FIELDS = 4 };

	return SECTORS * STATES * (uint64_t)align + FIELDS * unit(align) +
	       magic_room(align);
}
