#include "policy/product.h"

#include <string.h>

static struct mm_span
signing_at(const struct mm_list *signings, size_t i)
{
	return mm_list_at(*signings, struct mm_text_item, i)->value;
}

/* NULL for one that is not known. */
static const struct mm_scheme *
scheme_at(const struct mm_list *signings, size_t i)
{
	struct mm_signing_name name;

	if (mm_signing_read(signing_at(signings, i), &name) != MM_OK)
		return NULL;
	return name.scheme;
}

static bool
is_family(const struct mm_scheme *scheme, const char *family)
{
	return scheme != NULL && strcmp(scheme->family, family) == 0;
}

static enum mm_error
check_sort(struct mm_span signing, bool partition)
{
	struct mm_signing_name name;
	enum mm_error error = mm_signing_read(signing, &name);

	if (error != MM_OK)
		return mm_fail(MM_E_POLICY, "%s", mm_why(error));
	if (name.scheme->partition && !partition)
		return mm_fail(MM_E_POLICY,
		    "%s signs a device's partition under an order: it stands "
		    "in the partitions of a profile",
		    name.scheme->name);
	if (partition && !name.scheme->partition)
		return mm_fail(MM_E_POLICY,
		    "%s signs an image under a release: it stands in the "
		    "schemes of a product",
		    name.scheme->name);
	return MM_OK;
}

enum mm_error
mm_signings_check(const struct mm_list *signings, bool partition)
{
	for (size_t i = 0; i < signings->count; i++) {
		struct mm_span signing = signing_at(signings, i);
		const struct mm_list before = {signings->items, i};
		enum mm_error error = check_sort(signing, partition);

		if (error != MM_OK)
			return error;
		if (mm_texts_hold(&before, signing))
			return mm_fail(MM_E_POLICY,
			    "the scheme %.*s is there twice", MM_SPAN(signing));
	}
	return MM_OK;
}

bool
mm_chip_verifies(const struct mm_chip *chip, const struct mm_scheme *scheme)
{
	unsigned needed = 0;

	if (is_family(scheme, "secure-boot-v1"))
		needed = MM_CHIP_V1;
	else if (is_family(scheme, "secure-boot-v2"))
		needed = scheme->algorithm == MM_ALGORITHM_RSA3072
			     ? MM_CHIP_V2_RSA
			     : MM_CHIP_V2_ECDSA;
	return (chip->secure_boot & needed) == needed;
}

const struct mm_scheme *
mm_signings_attached(const struct mm_list *signings)
{
	for (size_t i = 0; i < signings->count; i++) {
		const struct mm_scheme *scheme = scheme_at(signings, i);

		if (scheme != NULL && !scheme->detached)
			return scheme;
	}
	return NULL;
}

size_t
mm_signings_count(const struct mm_list *signings, const char *family)
{
	size_t count = 0;

	for (size_t i = 0; i < signings->count; i++)
		count += is_family(scheme_at(signings, i), family);
	return count;
}

size_t
mm_scheme_room(const struct mm_scheme *scheme, const struct mm_chip *chip)
{
	if (chip != NULL && is_family(scheme, "secure-boot-v2") &&
	    chip->blocks < scheme->most)
		return chip->blocks;
	return scheme->most;
}

/* The product's words, one check each. */
struct checked {
	const struct mm_product *product;
	const struct mm_chip *chip; /* NULL: any */
};

static enum mm_error
check_format(const struct checked *c)
{
	struct mm_span format = c->product->format;

	if (format.size == 0)
		return MM_OK;
	for (int i = MM_FORMAT_PLAIN; i <= MM_FORMAT_SECURE_CERT; i++)
		if (mm_span_is(
			format, mm_image_format_name((enum mm_image_format)i)))
			return MM_OK;
	return mm_fail(MM_E_POLICY,
	    "\"%.*s\" is no format of images: plain, esp-app, esp-bootloader, "
	    "esp-image, mcuboot, partition-table or secure-cert",
	    MM_SPAN(format));
}

static enum mm_error
check_chip(const struct checked *c)
{
	if (c->product->chip.size == 0 || c->chip != NULL)
		return MM_OK;
	return mm_fail(MM_E_POLICY,
	    "\"%.*s\" is no chip known here; they are written like esp32c3",
	    MM_SPAN(c->product->chip));
}

/* One attached family, one algorithm: a file has room for no other. */
static enum mm_error
check_together(const struct mm_list *signings)
{
	const struct mm_scheme *attached = mm_signings_attached(signings);

	for (size_t i = 0; i < signings->count; i++) {
		const struct mm_scheme *scheme = scheme_at(signings, i);

		if (scheme->detached)
			continue;
		if (!is_family(scheme, attached->family))
			return mm_fail(MM_E_POLICY,
			    "%s and %s are both attached to the image, which "
			    "takes one of them",
			    attached->name, scheme->name);
		if (scheme->algorithm != attached->algorithm)
			return mm_fail(MM_E_POLICY,
			    "%s and %s are of two algorithms, which do not "
			    "stand beside each other in one image",
			    attached->name, scheme->name);
	}
	return MM_OK;
}

static enum mm_error
check_room(const struct checked *c, const struct mm_scheme *scheme)
{
	size_t count = mm_signings_count(&c->product->schemes, scheme->family);
	size_t room = mm_scheme_room(scheme, c->chip);

	if (count > scheme->most)
		return mm_fail(MM_E_POLICY,
		    "%zu signatures of %s: one file takes %u", count,
		    scheme->family, scheme->most);
	if (count > room)
		return mm_fail(MM_E_POLICY,
		    "%zu signatures of %s: %s takes %zu in an image", count,
		    scheme->family, c->chip->name, room);
	return MM_OK;
}

static enum mm_error
check_scheme(const struct checked *c, const struct mm_scheme *scheme)
{
	struct mm_span format = c->product->format;

	if (c->chip != NULL && !mm_chip_verifies(c->chip, scheme))
		return mm_fail(MM_E_POLICY, "%s does not verify %s",
		    c->chip->name, scheme->name);
	if (is_family(scheme, "mcuboot") && format.size > 0 &&
	    !mm_span_is(format, mm_image_format_name(MM_FORMAT_MCUBOOT)))
		return mm_fail(MM_E_POLICY,
		    "mcuboot signs images of format mcuboot, not %.*s",
		    MM_SPAN(format));
	return check_room(c, scheme);
}

static enum mm_error
check_schemes(const struct checked *c)
{
	const struct mm_list *schemes = &c->product->schemes;
	enum mm_error error = mm_signings_check(schemes, false);

	if (error == MM_OK)
		error = check_together(schemes);
	for (size_t i = 0; i < schemes->count && error == MM_OK; i++)
		error = check_scheme(c, scheme_at(schemes, i));
	return error;
}

/* Burned one bit a step, so that the field's width is the highest. */
static enum mm_error
check_secure_version(const struct checked *c)
{
	if (c->chip == NULL || c->chip->secure_version_bits == 0 ||
	    c->product->secure_version <= c->chip->secure_version_bits)
		return MM_OK;
	return mm_fail(MM_E_POLICY, "the eFuse of %s counts to %u, not %llu",
	    c->chip->name, c->chip->secure_version_bits,
	    (unsigned long long)c->product->secure_version);
}

/* Only a Secure Boot V2 block brings the key by which it was verified when
 * the image was read. */
static enum mm_error
check_carried(struct mm_span signing)
{
	struct mm_signing_name name;
	enum mm_error error = mm_signing_read(signing, &name);

	if (error != MM_OK)
		return error;
	if (name.scheme->detached)
		return mm_fail(MM_E_POLICY,
		    "an image carries no signature of %s: it is a file of its "
		    "own",
		    name.scheme->name);
	if (!is_family(name.scheme, "secure-boot-v2"))
		return mm_fail(MM_E_POLICY,
		    "a signature of %s in an image does not bring the key that "
		    "made it: only Secure Boot V2 can be asked for here",
		    name.scheme->name);
	return MM_OK;
}

static enum mm_error
check_carries(const struct checked *c)
{
	const struct mm_list *carries = &c->product->carries;
	const struct mm_scheme *attached =
	    mm_signings_attached(&c->product->schemes);
	enum mm_error error = mm_signings_check(carries, false);

	for (size_t i = 0; i < carries->count && error == MM_OK; i++)
		error = check_carried(signing_at(carries, i));
	if (error == MM_OK)
		error = check_together(carries);
	for (size_t i = 0; i < carries->count && error == MM_OK; i++)
		if (c->chip != NULL &&
		    !mm_chip_verifies(c->chip, scheme_at(carries, i)))
			error = mm_fail(MM_E_POLICY, "%s does not verify %s",
			    c->chip->name, scheme_at(carries, i)->name);
	if (error == MM_OK && carries->count > 0 && attached != NULL &&
	    c->product->resign == MM_RESIGN_REFUSE)
		error = mm_fail(MM_E_POLICY,
		    "the image has to carry a signature, and %s refuses one "
		    "that does: say resign = append or replace",
		    attached->name);
	return error;
}

/* Whoever reads nothing cannot hold it against anything. */
static enum mm_error
check_unread(const struct checked *c)
{
	const struct mm_product *product = c->product;
	const struct {
		const char *word;
		bool said;
	} words[] = {{"format", product->format.size > 0},
	    {"chip", product->chip.size > 0},
	    {"project", product->project.size > 0},
	    {"secure-version", product->secure_version > 0},
	    {"carries", product->carries.count > 0}};

	for (size_t i = 0; product->unread && i < MM_COUNT(words); i++)
		if (words[i].said)
			return mm_fail(MM_E_POLICY,
			    "images that nobody reads cannot be held against "
			    "%s: leave out one of the two",
			    words[i].word);
	return MM_OK;
}

enum mm_error
mm_product_check(const struct mm_product *product, const char **key)
{
	static const struct {
		const char *key;
		enum mm_error (*check)(const struct checked *);
	} checks[] = {{"format", check_format}, {"chip", check_chip},
	    {"schemes", check_schemes},
	    {"secure-version", check_secure_version},
	    {"carries", check_carries}, {"unread", check_unread}};
	const struct checked c = {product, mm_chip_named(product->chip)};

	for (size_t i = 0; i < MM_COUNT(checks); i++) {
		enum mm_error error = checks[i].check(&c);

		if (error == MM_OK)
			continue;
		*key = checks[i].key;
		return mm_fail(MM_E_POLICY, "product %.*s: %s",
		    MM_SPAN(product->name), mm_why(error));
	}
	return MM_OK;
}
