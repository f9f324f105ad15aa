#include "policy/rules_parts.h"

#include <string.h>

#include "signer/chips.h"

static bool
is_format(const struct mm_rules_facts *facts, enum mm_image_format format)
{
	return mm_span_is(facts->image->format, mm_image_format_name(format));
}

static struct mm_span
without_v(struct mm_span version)
{
	if (version.size > 1 && version.data[0] == 'v')
		return mm_span(version.data + 1, version.size - 1);
	return version;
}

/* Whether the image means the version that it is to be released as. */
static bool
same_version(const struct mm_rules_facts *facts)
{
	struct mm_span said = facts->image->version;
	struct mm_span wanted = facts->version;
	uint64_t way = facts->product->versions;
	bool numbers =
	    is_format(facts, MM_FORMAT_MCUBOOT) || way == MM_VERSIONS_MCUBOOT;
	int order;

	if (mm_span_equal(said, wanted))
		return true;
	if (way != MM_VERSIONS_SEMVER && way != MM_VERSIONS_DOTTED && !numbers)
		return false;
	said = without_v(said);
	wanted = without_v(wanted);
	/* MCUboot's header has four numbers and no text. */
	if (numbers && mm_version_compare(
			   MM_VERSIONS_MCUBOOT, said, wanted, &order) == MM_OK)
		return order == 0;
	return mm_span_equal(said, wanted);
}

uint64_t
mm_rule_version(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	struct mm_span said = facts->image->version;

	if (!is_format(facts, MM_FORMAT_ESP_APP) &&
	    !is_format(facts, MM_FORMAT_MCUBOOT))
		return SILENT(
		    "an image of format %.*s does not say its version",
		    MM_SPAN(facts->image->format));
	if (!same_version(facts))
		return FAIL("the image calls itself \"%.*s\"; it is submitted "
			    "as \"%.*s\"",
		    MM_SPAN(said), MM_SPAN(facts->version));
	return PASS("the image calls itself %.*s", MM_SPAN(said));
}

/* What became of the history: versions that were written in another way have
 * no place in this one's order. */
struct ordered {
	struct mm_span highest; /* empty: none in this order */
	size_t counted, passed_over;
};

static void
order_history(const struct mm_rules_facts *facts, struct ordered *out)
{
	uint64_t way = facts->product->versions;

	for (mm_list_each(
		 const struct mm_text_item, former, facts->history->versions)) {
		int order = 1;

		/* Compared with itself first: it may be of no use at all. */
		if (mm_version_compare(
			way, former->value, former->value, &order) != MM_OK) {
			out->passed_over++;
			continue;
		}
		if (out->counted++ == 0 ||
		    (mm_version_compare(
			 way, former->value, out->highest, &order) == MM_OK &&
			order > 0))
			out->highest = former->value;
	}
}

static void
tell_passed_over(
    const struct ordered *ordered, uint64_t way, struct mm_buffer *why)
{
	if (ordered->passed_over > 0)
		TELL("%zu former ones are not written as %s and were passed "
		     "over",
		    ordered->passed_over, mm_versions_name(way));
}

uint64_t
mm_rule_version_order(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	uint64_t way = facts->product->versions, verdict;
	struct ordered ordered = {.counted = 0};
	int order = 1;

	if (way == MM_VERSIONS_ANY)
		return SILENT("the product's versions have no order");
	if (mm_version_compare(way, facts->version, facts->version, &order) !=
	    MM_OK)
		return FAIL("%s", mm_why(MM_E_FORMAT));
	order_history(facts, &ordered);
	if (ordered.counted == 0)
		verdict = PASS("it is the first one");
	else if (mm_version_compare(
		     way, facts->version, ordered.highest, &order) == MM_OK &&
		 order > 0)
		verdict = PASS("it is above %.*s, the highest of %zu",
		    MM_SPAN(ordered.highest), ordered.counted);
	else
		verdict = FAIL("%.*s is not above %.*s, which was released",
		    MM_SPAN(facts->version), MM_SPAN(ordered.highest));
	tell_passed_over(&ordered, way, why);
	return verdict;
}

/* Behind a + stands semver's build, which is no part of the version. */
static bool
is_dirty(struct mm_span version)
{
	static const char ending[] = "-dirty";
	size_t size = sizeof(ending) - 1;
	const uint8_t *plus =
	    version.size > 0 ? memchr(version.data, '+', version.size) : NULL;

	if (version.size > size &&
	    memcmp(version.data + version.size - size, ending, size) == 0)
		return true;
	return plus != NULL &&
	       is_dirty(mm_span(version.data, (size_t)(plus - version.data)));
}

uint64_t
mm_rule_clean(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	struct mm_span said =
	    facts->image != NULL ? facts->image->version : mm_span("", 0);
	struct mm_span dirty = is_dirty(facts->version) ? facts->version : said;

	if (!is_dirty(dirty))
		return PASS("the version does not end in -dirty");
	if (!facts->product->dirty)
		return FAIL(
		    "%.*s was built from what is in no commit", MM_SPAN(dirty));
	return PASS("%.*s: the product allows it", MM_SPAN(dirty));
}

uint64_t
mm_rule_secure_version(
    const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	const struct mm_chip *chip = mm_chip_named(facts->image->chip);
	uint64_t found = facts->image->secure_version;
	uint64_t former = facts->history->secure_version;
	uint64_t least = facts->product->secure_version;

	if (chip != NULL && chip->secure_version_bits != 0 &&
	    found > chip->secure_version_bits)
		return FAIL("it is %llu; the eFuse of %s counts to %u",
		    (unsigned long long)found, chip->name,
		    chip->secure_version_bits);
	if (found < least)
		return FAIL("it is %llu; the product asks for %llu",
		    (unsigned long long)found, (unsigned long long)least);
	if (found < former)
		return FAIL("it is %llu; %llu was released before",
		    (unsigned long long)found, (unsigned long long)former);
	if (least == 0 && former == 0)
		return SILENT("it is %llu; the product takes any",
		    (unsigned long long)found);
	return PASS("it is %llu; at least %llu was wanted",
	    (unsigned long long)found,
	    (unsigned long long)(least > former ? least : former));
}
