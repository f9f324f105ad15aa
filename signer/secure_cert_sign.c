/*
 * Signed esp_secure_cert partitions: signature TLVs behind all others, an
 * integrity TLV over the whole, an end marker. What tools put behind the TLVs of
 * an unsigned one, end markers and bytes 0xFF, is not signed and is left out.
 */
#include <string.h>

#include "signer/hashing.h"
#include "signer/schemes.h"
#include "signer/secure_cert.h"

enum {
	SIGNATURES = MM_SIGNATURE_BLOCKS_MAX,
	/* All that goes behind what is signed. */
	TAIL_MAX = SIGNATURES * (MM_SECURE_CERT_VALUE_MAX + 32) + 64
};

static enum mm_error
facts_of(const struct mm_image *image, const struct mm_secure_cert_facts **out)
{
	*out = image->facts->secure_cert.items;
	if (image->facts->secure_cert.count != 1)
		return mm_fail(MM_E_IMAGE,
		    "this is no esp_secure_cert partition made of TLVs; no "
		    "other form of it can be signed");
	return MM_OK;
}

static struct mm_span
covered_by(
    const struct mm_image *image, const struct mm_secure_cert_facts *facts)
{
	return mm_span(image->bytes.data, (size_t)facts->covered);
}

/* So many signatures and the TLV behind them must have room. */
static enum mm_error
check_room(const struct mm_secure_cert_facts *facts, size_t signatures)
{
	size_t count = signatures + 1;

	for (mm_list_each(const struct mm_secure_cert_tlv, tlv, facts->tlvs))
		if (tlv->offset < facts->covered)
			count++;
	if (count <= MM_SECURE_CERT_MAX)
		return MM_OK;
	return mm_fail(MM_E_IMAGE,
	    "signed it would have %zu TLVs, and %d are read at most", count,
	    MM_SECURE_CERT_MAX);
}

enum mm_error
mm_secure_cert_digest(const struct mm_image *image, uint8_t out[32])
{
	const struct mm_secure_cert_facts *facts;
	enum mm_error error = facts_of(image, &facts);

	if (error == MM_OK)
		error = check_room(facts, 1);
	return error == MM_OK ? mm_hash(covered_by(image, facts), out) : error;
}

/* --- attaching --- */

/* Signatures in the making. */
struct row {
	struct mm_span covered;
	struct mm_signers signers;
	struct mm_buffer *out;
};

static enum mm_error
add(struct row *row, const struct mm_public_key *key, struct mm_span value)
{
	size_t number = row->signers.count;
	enum mm_error error;

	if (number == SIGNATURES)
		return mm_fail(MM_E_IMAGE_SIGNED,
		    "an esp_secure_cert partition takes %d signatures, all of "
		    "which are there: resign replace puts ours in their place",
		    SIGNATURES);
	error = mm_signers_add(&row->signers, key);
	return error == MM_OK
		   ? mm_secure_cert_tlv_write(
			 MM_SECURE_CERT_SIGNATURE, number, value, row->out)
		   : error;
}

/* The sound signatures that the file brings along. */
static enum mm_error
keep(struct row *row, const struct mm_image *image,
    const struct mm_secure_cert_facts *facts)
{
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_secure_cert_tlv, tlv, facts->tlvs)) {
		struct mm_span value =
		    mm_span(image->bytes.data + tlv->offset, (size_t)tlv->size);
		struct mm_secure_cert_signature signature;

		if (tlv->type != MM_SECURE_CERT_SIGNATURE)
			continue;
		error = mm_secure_cert_signature_read(
		    value, row->covered, &signature);
		if (error == MM_OK &&
		    mm_secure_cert_signature_is_over(&signature, row->covered))
			error = add(row, &signature.block.key, value);
		if (error != MM_OK)
			break;
	}
	return error;
}

static enum mm_error
keep_as(struct row *row, const struct mm_image *image,
    const struct mm_secure_cert_facts *facts, enum mm_resign resign)
{
	if (image->facts->signatures.count == 0 || resign == MM_RESIGN_REPLACE)
		return MM_OK;
	if (resign == MM_RESIGN_APPEND)
		return keep(row, image, facts);
	return mm_fail(MM_E_IMAGE_SIGNED,
	    "it is signed already: resign append or replace says what becomes "
	    "of its signatures");
}

static enum mm_error
add_all(struct row *row, const struct mm_signed *signatures, size_t count)
{
	uint8_t value[MM_SECURE_CERT_VALUE_MAX];
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < count && error == MM_OK; i++) {
		size_t size = 0;

		error = mm_secure_cert_signature_write(&signatures[i].key,
		    row->covered, signatures[i].signature, value, &size);
		if (error == MM_OK)
			error =
			    add(row, &signatures[i].key, mm_span(value, size));
	}
	return error;
}

/* The second integrity TLV is over all before it, ours included. */
static enum mm_error
close_row(struct row *row)
{
	struct mm_prefix_hash hash = {.size = row->out->size};
	enum mm_error error =
	    mm_hash_prefixes(row->covered, mm_buffer_span(row->out), &hash, 1);

	if (error == MM_OK)
		error = mm_secure_cert_tlv_write(MM_SECURE_CERT_INTEGRITY, 1,
		    mm_span(hash.out, sizeof(hash.out)), row->out);
	if (error != MM_OK)
		return error;
	mm_buffer_add(row->out, mm_secure_cert_end, MM_SECURE_CERT_END);
	return row->out->error;
}

static enum mm_error
make_tail(struct row *row, const struct mm_image *image,
    const struct mm_secure_cert_facts *facts, enum mm_resign resign,
    struct mm_list ours)
{
	enum mm_error error = keep_as(row, image, facts, resign);

	if (error == MM_OK)
		error = add_all(row, ours.items, ours.count);
	if (error == MM_OK)
		error = check_room(facts, row->signers.count);
	return error == MM_OK ? close_row(row) : error;
}

enum mm_error
mm_secure_cert_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	const struct mm_secure_cert_facts *facts;
	struct mm_attached made = {.count = 2};
	struct row row = {.out = &made.own};
	enum mm_error error = facts_of(image, &facts);

	if (error != MM_OK)
		return error;
	if (count == 0)
		return mm_fail(MM_E_BUG, "there is no signature to attach");
	mm_buffer_init(&made.own, TAIL_MAX);
	row.covered = covered_by(image, facts);
	error = make_tail(
	    &row, image, facts, resign, (struct mm_list){signatures, count});
	if (error != MM_OK) {
		mm_attached_clear(&made);
		return error;
	}
	made.pieces[0].bytes = row.covered;
	made.pieces[1].bytes = mm_buffer_span(&made.own);
	*out = made;
	return MM_OK;
}

/* --- verifying --- */

/* Reading it has checked each TLV, both integrity TLVs, and each signature by
 * the key that it carries; left is whose key that is. */
enum mm_error
mm_secure_cert_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	const struct mm_secure_cert_facts *facts;
	uint8_t wanted[32];
	enum mm_error error = facts_of(image, &facts);

	if (error == MM_OK)
		error = mm_signature_check_inside(
		    signature, "an esp_secure_cert partition");
	if (error != MM_OK)
		return error;
	if (key != NULL)
		error = mm_secure_boot_v2_key_digest(key, wanted);
	else
		memcpy(wanted, key_digest, sizeof(wanted));
	if (error != MM_OK)
		return error;
	for (mm_list_each(const struct mm_signature_block, block,
		 image->facts->signatures)) {
		if (!mm_span_equal(block->key, mm_span(wanted, sizeof(wanted))))
			continue;
		return block->sound
			   ? MM_OK
			   : mm_signature_wrong("the key's signature at 0x%llx "
						"does not verify",
				 (unsigned long long)block->offset);
	}
	return image->facts->signatures.count == 0
		   ? mm_signature_wrong("it carries no signature")
		   : mm_signature_wrong(
			 "it is signed by another key, or one that is broken");
}
