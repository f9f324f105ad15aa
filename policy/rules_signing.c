#include "policy/rules_parts.h"

#include <string.h>

#include "policy/product.h"
#include "signer/public_key.h"

enum { DIGEST = 32 };

static const struct mm_signing_key *
key_of(const struct mm_rules_facts *facts, struct mm_span signing)
{
	for (mm_list_each(const struct mm_signing_key, key, facts->keys))
		if (mm_span_equal(key->signing, signing))
			return key;
	return NULL;
}

/* NULL: of an image that is for none, or that nobody has read. */
static const struct mm_chip *
chip_of(const struct mm_rules_facts *facts)
{
	return facts->image != NULL ? mm_chip_named(facts->image->chip) : NULL;
}

static bool
can_sign(const struct mm_rules_facts *facts, size_t i, struct mm_buffer *why)
{
	struct mm_span signing =
	    mm_list_at(facts->product->schemes, struct mm_text_item, i)->value;
	const struct mm_signing_key *key = key_of(facts, signing);
	const struct mm_chip *chip = chip_of(facts);
	struct mm_span fault = mm_span_text("-");
	struct mm_signing_name name;

	if (i < facts->faults.count)
		fault =
		    mm_list_at(facts->faults, struct mm_text_item, i)->value;
	if (mm_signing_read(signing, &name) != MM_OK)
		TELL("%s", mm_why(MM_E_SCHEME));
	else if (!mm_span_is(fault, "-"))
		TELL("%.*s: %.*s", MM_SPAN(signing), MM_SPAN(fault));
	else if (key == NULL || !key->known)
		TELL("%.*s: the token has no such key", MM_SPAN(signing));
	else if (chip != NULL && !mm_chip_verifies(chip, name.scheme))
		TELL("%.*s: %s does not verify it", MM_SPAN(signing),
		    chip->name);
	else
		return true;
	return false;
}

/* A product that names no chip may have more signings than this one takes. */
static bool
has_room(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	const struct mm_list *schemes = &facts->product->schemes;
	const struct mm_scheme *scheme = mm_signings_attached(schemes);
	const struct mm_chip *chip = chip_of(facts);
	size_t count, room;

	if (scheme == NULL || chip == NULL)
		return true;
	count = mm_signings_count(schemes, scheme->family);
	room = mm_scheme_room(scheme, chip);
	if (count > room)
		TELL("%zu signatures of %s: %s takes %zu in an image", count,
		    scheme->family, chip->name, room);
	return count <= room;
}

uint64_t
mm_rule_schemes(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	size_t count = facts->product->schemes.count, good = 0;

	/* Of what is read nowhere, nobody knows faults. */
	if (facts->image != NULL && facts->faults.count != count)
		return FAIL("the image was looked at for %zu of %zu signatures",
		    facts->faults.count, count);
	for (size_t i = 0; i < count; i++)
		good += can_sign(facts, i, why);
	if (good < count || !has_room(facts, why))
		return MM_RULE_FAILED;
	return PASS("all %zu can be made", count);
}

/* Signatures of the family that the image brings. */
static size_t
count_brought(const struct mm_rules_facts *facts, const char *family)
{
	size_t count = 0;

	for (mm_list_each(const struct mm_signature_block, block,
		 facts->image->signatures))
		count += mm_span_is(block->family, family);
	return count;
}

static bool
is_of_key(
    const struct mm_signature_block *block, const struct mm_signing_key *key)
{
	return block->key.size == DIGEST &&
	       memcmp(block->key.data, key->digest, DIGEST) == 0;
}

/* Why ours cannot go behind this one; NULL: they can. */
static const char *
why_not_beside(const struct mm_rules_facts *facts,
    const struct mm_scheme *scheme, const struct mm_signature_block *block)
{
	if (!block->sound)
		return "it brings a signature that is broken";
	if (!mm_span_is(block->algorithm, mm_algorithm_name(scheme->algorithm)))
		return "it brings a signature of another algorithm";
	for (mm_list_each(
		 const struct mm_text_item, ours, facts->product->schemes)) {
		const struct mm_signing_key *key = key_of(facts, ours->value);
		const struct mm_list one = {ours, 1};

		if (mm_signings_count(&one, scheme->family) == 1 &&
		    key != NULL && key->known && is_of_key(block, key))
			return "it is signed by a key of the product already";
	}
	return NULL;
}

static uint64_t
rule_append(const struct mm_rules_facts *facts, const struct mm_scheme *scheme,
    size_t brought, struct mm_buffer *why)
{
	size_t ours =
	    mm_signings_count(&facts->product->schemes, scheme->family);
	size_t room = mm_scheme_room(scheme, mm_chip_named(facts->image->chip));

	for (mm_list_each(const struct mm_signature_block, block,
		 facts->image->signatures)) {
		const char *fault = mm_span_is(block->family, scheme->family)
					? why_not_beside(facts, scheme, block)
					: NULL;

		if (fault != NULL)
			return FAIL("%s", fault);
	}
	if (ours > room || brought > room - ours)
		return FAIL("it brings %zu signatures of %s, and %zu more do "
			    "not fit: %zu are the most",
		    brought, scheme->family, ours, room);
	return PASS(
	    "its %zu signatures stay, %zu go behind them", brought, ours);
}

uint64_t
mm_rule_unsigned(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	const struct mm_scheme *scheme =
	    mm_signings_attached(&facts->product->schemes);
	size_t brought;

	if (scheme == NULL)
		return SILENT("its signatures are files of their own");
	brought = count_brought(facts, scheme->family);
	if (brought == 0)
		return PASS("it brings no signature of %s", scheme->family);
	if (facts->product->resign == MM_RESIGN_APPEND)
		return rule_append(facts, scheme, brought, why);
	if (facts->product->resign == MM_RESIGN_REPLACE)
		return PASS(
		    "the %zu signatures that it brings are replaced", brought);
	return FAIL("it brings %zu signatures of %s, and the product does not "
		    "say resign",
	    brought, scheme->family);
}

/* Sound means verified by the key that the block brings, which only those of
 * Secure Boot V2 do. */
static bool
carries(const struct mm_rules_facts *facts, const struct mm_scheme *scheme,
    const struct mm_signing_key *key)
{
	if (strcmp(scheme->family, "secure-boot-v2") != 0)
		return false;
	for (mm_list_each(const struct mm_signature_block, block,
		 facts->image->signatures))
		if (mm_span_is(block->family, scheme->family) &&
		    mm_span_is(block->algorithm,
			mm_algorithm_name(scheme->algorithm)) &&
		    block->sound && is_of_key(block, key))
			return true;
	return false;
}

uint64_t
mm_rule_carries(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	const struct mm_list *wanted = &facts->product->carries;
	size_t good = 0;

	if (wanted->count == 0)
		return SILENT("the product asks for none");
	for (mm_list_each(const struct mm_text_item, one, *wanted)) {
		const struct mm_signing_key *key = key_of(facts, one->value);
		struct mm_signing_name name;

		if (key == NULL || !key->known ||
		    mm_signing_read(one->value, &name) != MM_OK)
			TELL("%.*s: the token has no such key",
			    MM_SPAN(one->value));
		else if (!carries(facts, name.scheme, key))
			TELL("%.*s: it carries no sound signature of it",
			    MM_SPAN(one->value));
		else
			good++;
	}
	return good == wanted->count ? PASS("all %zu are there", good)
				     : MM_RULE_FAILED;
}

/* Devices that look at the time take no signature of a certificate that is
 * over, whenever it was made. */
static bool
lasts(const struct mm_rules_facts *facts, const struct mm_signing_key *key,
    struct mm_buffer *why)
{
	uint64_t wanted = facts->product->certificate;

	if (!key->certified && wanted > 0)
		TELL("%.*s: the key has no certificate", MM_SPAN(key->signing));
	else if (key->certified && key->not_after < facts->now)
		TELL("%.*s: the key's certificate has expired",
		    MM_SPAN(key->signing));
	else if (key->certified && key->not_after - facts->now < wanted)
		TELL("%.*s: the key's certificate lasts for %llu seconds more; "
		     "the product asks for %llu",
		    MM_SPAN(key->signing),
		    (unsigned long long)(key->not_after - facts->now),
		    (unsigned long long)wanted);
	else
		return true;
	return false;
}

uint64_t
mm_rule_certificate(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	size_t looked = 0, good = 0;

	for (mm_list_each(
		 const struct mm_text_item, one, facts->product->schemes)) {
		const struct mm_signing_key *key = key_of(facts, one->value);

		if (key == NULL || !key->known)
			continue; /* mm_rule_schemes() has said so */
		looked++;
		good += lasts(facts, key, why);
	}
	if (good < looked)
		return MM_RULE_FAILED;
	if (looked < facts->product->schemes.count)
		return FAIL("not every key is there");
	if (facts->product->certificate == 0)
		return SILENT("the product does not say how long it must last");
	return PASS("it lasts for long enough");
}
