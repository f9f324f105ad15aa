#include "cli/release_terms.h"

#include <string.h>

#include "signer/image.h"
#include "signer/scheme.h"

enum mm_error
mm_release_terms(struct mm_span image, struct mm_span product,
    struct mm_span version, struct mm_span name,
    struct mm_scheme_digest *digest, struct mm_release_claim *out)
{
	const struct mm_scheme *scheme = mm_scheme_find(name);
	struct mm_image_facts facts;
	enum mm_error error;

	if (scheme == NULL)
		return mm_fail(
		    MM_E_SCHEME, "there is no scheme %.*s", MM_SPAN(name));
	error = mm_image_read(image, &facts);
	if (error == MM_OK)
		error = scheme->digest(image, facts.sha256, digest->digest);
	if (error != MM_OK)
		return error;
	digest->scheme = name;
	*out = (struct mm_release_claim){.product = product,
	    .version = version,
	    .size = facts.size,
	    .schemes = {digest, 1}};
	memcpy(out->sha256, facts.sha256, sizeof(out->sha256));
	return MM_OK;
}
