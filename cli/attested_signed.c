/*
 * A released image with its signatures in it, held against its entry. The
 * entry has the digest, which is over all but them, and names the key by its
 * hash.
 */
#include <string.h>

#include "cli/attested.h"
#include "signer/secure_boot_v2.h"

static bool
is_logged_key(
    const struct mm_image_entry *entry, const struct mm_public_key *key)
{
	return memcmp(key->spki_sha256, entry->signer, sizeof(entry->signer)) ==
	       0;
}

/* Blocks of Secure Boot V2 bring their keys along; `false`: none is it. */
static bool
find_key(const struct mm_image_entry *entry, const struct mm_own_image *image,
    struct mm_public_key *out)
{
	struct mm_span bytes = mm_own_image_bytes(image);
	struct mm_secure_boot_block block;

	for (mm_list_each(const struct mm_signature_block, one,
		 image->facts.signatures)) {
		if (!mm_span_is(one->family, "secure-boot-v2") ||
		    one->offset > bytes.size ||
		    bytes.size - one->offset < MM_SECURE_BOOT_BLOCK ||
		    mm_secure_boot_v2_block_read(
			bytes.data + one->offset, &block) != MM_OK ||
		    !is_logged_key(entry, &block.key))
			continue;
		*out = block.key;
		return true;
	}
	return false;
}

static enum mm_error
choose_key(const struct mm_image_entry *entry, const struct mm_own_image *image,
    struct mm_span spki, struct mm_public_key *out)
{
	enum mm_error error = MM_OK;

	if (spki.size == 0 && find_key(entry, image, out))
		return MM_OK;
	if (spki.size == 0)
		return mm_fail(MM_E_MISMATCH,
		    "it is not the image as it was submitted, and no key is at "
		    "hand for the signature that may be in it: say "
		    "--certificate with the public key of \"%.*s\"",
		    MM_SPAN(entry->key));
	error = mm_public_key_read(spki, out);
	if (error == MM_OK && !is_logged_key(entry, out))
		error = mm_fail(MM_E_MISMATCH,
		    "the key that was brought is not the logged key \"%.*s\"",
		    MM_SPAN(entry->key));
	return error;
}

/* MM_E_MISMATCH: it is of a scheme that leaves the file alone, or another. */
static enum mm_error
check_digest(const struct mm_image_entry *entry, struct mm_own_image *image,
    const struct mm_scheme **scheme)
{
	struct mm_signing_name name;
	uint8_t digest[sizeof(entry->digest)];
	enum mm_error error = mm_signing_read(entry->scheme, &name);

	if (error != MM_OK || name.scheme->detached || name.scheme->partition)
		return MM_E_MISMATCH;
	error = mm_own_image_as(image, entry->format);
	if (error == MM_OK)
		error = mm_own_image_digest(image, entry->scheme, digest);
	*scheme = name.scheme;
	return error == MM_OK &&
		       memcmp(digest, entry->digest, sizeof(digest)) == 0
		   ? MM_OK
		   : MM_E_MISMATCH;
}

enum mm_error
mm_attested_image_signed(const struct mm_attested *attested,
    struct mm_own_image *image, struct mm_span spki)
{
	const struct mm_image_entry *entry = &attested->body.image;
	const struct mm_scheme *scheme = NULL;
	struct mm_public_key key;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);

	if (error != MM_OK)
		return error;
	if (check_digest(entry, image, &scheme) != MM_OK)
		return mm_attested_other_image(attested);
	error = choose_key(entry, image, spki, &key);
	if (error == MM_OK)
		error =
		    scheme->verify(&(struct mm_image){mm_own_image_bytes(image),
				       &image->facts},
			mm_span(NULL, 0), &key, NULL);
	if (error == MM_E_IMAGE_SIGNATURE)
		error = mm_fail(MM_E_MISMATCH,
		    "it is not signed by the logged key \"%.*s\": %s",
		    MM_SPAN(entry->key), mm_why(error));
	return error;
}
