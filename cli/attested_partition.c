/*
 * A device's partition, signed or not, held against its entry. What was signed
 * is the part before the signatures, and each of these names its key.
 */
#include <string.h>

#include "cli/attested.h"
#include "signer/secure_cert.h"

static enum mm_error
other_partition(const struct mm_partition_entry *entry)
{
	return mm_fail(MM_E_MISMATCH,
	    "the receipt speaks of another partition (of device %.*s, %llu "
	    "bytes)",
	    MM_SPAN(entry->device), (unsigned long long)entry->size);
}

static enum mm_error
check_signed_part(
    const struct mm_partition_entry *entry, const struct mm_own_image *file)
{
	uint8_t digest[32];
	enum mm_error error = mm_own_image_digest(file, entry->scheme, digest);

	if (error == MM_E_SCHEME)
		return mm_fail(MM_E_FORMAT,
		    "the scheme %.*s is not known to this program",
		    MM_SPAN(entry->scheme));
	if (error == MM_OK &&
	    memcmp(digest, entry->digest, sizeof(digest)) != 0)
		error = other_partition(entry);
	return error;
}

/* One of its signatures, over that, by the key that was logged. */
static bool
is_the_signature(const struct mm_partition_entry *entry,
    const struct mm_own_image *file, const struct mm_secure_cert_tlv *tlv)
{
	const struct mm_secure_cert_facts *facts =
	    file->facts.secure_cert.items;
	struct mm_span bytes = mm_own_image_bytes(file);
	struct mm_span covered = mm_span(bytes.data, (size_t)facts->covered);
	struct mm_secure_cert_signature signature;

	return tlv->type == MM_SECURE_CERT_SIGNATURE &&
	       mm_secure_cert_signature_read(
		   mm_span(bytes.data + tlv->offset, (size_t)tlv->size),
		   covered, &signature) == MM_OK &&
	       signature.readable &&
	       memcmp(signature.block.key.spki_sha256, entry->signer,
		   sizeof(entry->signer)) == 0 &&
	       mm_secure_cert_signature_is_over(&signature, covered);
}

static enum mm_error
check_signature(
    const struct mm_partition_entry *entry, const struct mm_own_image *file)
{
	const struct mm_secure_cert_facts *facts =
	    file->facts.secure_cert.items;

	for (mm_list_each(const struct mm_secure_cert_tlv, tlv, facts->tlvs))
		if (is_the_signature(entry, file, tlv))
			return MM_OK;
	return mm_fail(MM_E_MISMATCH,
	    "none of the partition's signatures is by the logged key \"%.*s\"",
	    MM_SPAN(entry->key));
}

enum mm_error
mm_attested_partition(const struct mm_attested *attested,
    struct mm_own_image *file, bool *is_signed)
{
	const struct mm_partition_entry *entry = &attested->body.partition;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_PARTITION);

	if (error == MM_OK)
		error = mm_own_image_as(file,
		    mm_span_text(mm_image_format_name(MM_FORMAT_SECURE_CERT)));
	if (error == MM_OK)
		error = check_signed_part(entry, file);
	if (error != MM_OK)
		return error;
	*is_signed = file->facts.signatures.count > 0;
	if (*is_signed)
		return check_signature(entry, file);
	if (file->facts.size != entry->size ||
	    memcmp(file->facts.sha256, entry->sha256, sizeof(entry->sha256)) !=
		0)
		return other_partition(entry);
	return MM_OK;
}
