#include "policy/rules_parts.h"

/* What it says of itself and what it must say. */
static uint64_t
rule_same(struct mm_span found, struct mm_span wanted, const char *what,
    struct mm_buffer *why)
{
	if (wanted.size == 0 && found.size == 0)
		return SILENT(
		    "it says no %s, and the product asks for none", what);
	if (wanted.size == 0)
		return SILENT("%.*s; the product takes any", MM_SPAN(found));
	if (found.size == 0)
		return FAIL("it says no %s; the product is for %.*s", what,
		    MM_SPAN(wanted));
	if (!mm_span_equal(found, wanted))
		return FAIL("it is %.*s; the product is for %.*s",
		    MM_SPAN(found), MM_SPAN(wanted));
	return PASS("%.*s", MM_SPAN(found));
}

uint64_t
mm_rule_format(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	return rule_same(
	    facts->image->format, facts->product->format, "format", why);
}

uint64_t
mm_rule_chip(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	return rule_same(facts->image->chip, facts->product->chip, "chip", why);
}

uint64_t
mm_rule_project(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	return rule_same(
	    facts->image->project, facts->product->project, "project", why);
}

uint64_t
mm_rule_whole(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	const struct mm_image_facts *image = facts->image;

	if (image->trailing > 0 && !image->blank)
		return FAIL("%llu bytes stand behind the image and are no "
			    "signature; only 0xFF may",
		    (unsigned long long)image->trailing);
	if (image->trailing > 0)
		return PASS("%llu bytes 0xFF stand behind the image",
		    (unsigned long long)image->trailing);
	return PASS("nothing stands behind the image");
}

uint64_t
mm_rule_size(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	uint64_t product = facts->product->size;
	bool ours = product != 0 &&
		    (facts->size_max == 0 || product <= facts->size_max);
	uint64_t most = ours ? product : facts->size_max;

	if (most == 0)
		return SILENT("it has %llu bytes; any may be",
		    (unsigned long long)facts->size);
	if (facts->size > most)
		return FAIL("it has %llu bytes; %s allows %llu",
		    (unsigned long long)facts->size,
		    ours ? "the product" : "the appliance",
		    (unsigned long long)most);
	return PASS("%llu bytes of %llu", (unsigned long long)facts->size,
	    (unsigned long long)most);
}

uint64_t
mm_rule_slot(const struct mm_rules_facts *facts, struct mm_buffer *why)
{
	uint64_t slot = facts->product->slot;

	if (slot == 0)
		return SILENT("the product names no slot");
	if (facts->size > slot || facts->added > slot - facts->size)
		return FAIL("it has %llu bytes and up to %llu more by its "
			    "signatures; the smallest OTA slot has %llu",
		    (unsigned long long)facts->size,
		    (unsigned long long)facts->added, (unsigned long long)slot);
	return PASS("%llu bytes and up to %llu of signatures in a slot of %llu",
	    (unsigned long long)facts->size, (unsigned long long)facts->added,
	    (unsigned long long)slot);
}
