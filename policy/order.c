#include "policy/order.h"

#include <stdio.h>
#include <string.h>

#include "ca/profile.h"
#include "protocol/date.h"

enum { UNITS_MAX = 10000000, STATIONS_MAX = 64 };

/*
 * `*` and `?` against a name with two pointers: after a mismatch only the
 * last star is tried one byte further, so the work is at most one size times
 * the other.
 */
static bool
glob(struct mm_span pattern, struct mm_span name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;

	while (n < name.size) {
		if (p < pattern.size && pattern.data[p] == '*') {
			star = p++;
			resume = n;
		} else if (p < pattern.size &&
			   (pattern.data[p] == '?' ||
			       pattern.data[p] == name.data[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.size && pattern.data[p] == '*')
		p++;
	return p == pattern.size;
}

/*
 * What the ends of a range count by: digits in the order of their bytes, and
 * the place of the first that differs. Separators stand where they stand.
 */
struct scale {
	const char *digits, *separators;
	size_t from;
};

/* All characters of device ids, for ends that are no numbers. */
static const char alphabet[] = "-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
			       "abcdefghijklmnopqrstuvwxyz";
static const char decimal[] = "0123456789";
static const char upper[] = "0123456789ABCDEF";
static const char lower[] = "0123456789abcdef";
static const char punctuation[] = "-.:_";

static bool
among(const char *letters, uint8_t letter)
{
	return letter != '\0' && strchr(letters, letter) != NULL;
}

/* Whether all of it from a place on is of these. */
static bool
made_of(struct mm_span text, size_t from, const char *digits,
    const char *separators)
{
	for (size_t i = from; i < text.size; i++)
		if (!among(digits, text.data[i]) &&
		    !among(separators, text.data[i]))
			return false;
	return true;
}

static size_t
first_difference(struct mm_span a, struct mm_span b)
{
	size_t i = 0;

	while (i < a.size && a.data[i] == b.data[i])
		i++;
	return i;
}

/* Separators at the same places, from a place on. */
static bool
one_layout(struct mm_span a, struct mm_span b, size_t from)
{
	for (size_t i = from; i < a.size; i++)
		if ((among(punctuation, a.data[i]) ||
			among(punctuation, b.data[i])) &&
		    a.data[i] != b.data[i])
			return false;
	return true;
}

/*
 * An EUI-48 or EUI-64 (IEEE 802-2014 8.1): pairs of digits between colons or
 * hyphens; or without either, but then with a letter, since 12 or 16 decimal
 * digits may just as well be a serial number.
 */
static bool
is_eui(struct mm_span id)
{
	static const char hexadecimal[] = "0123456789ABCDEFabcdef";
	bool plain = id.size == 12 || id.size == 16;

	if (plain)
		return made_of(id, 0, hexadecimal, "") &&
		       !made_of(id, 0, decimal, "");
	if ((id.size != 17 && id.size != 23) ||
	    (id.data[2] != ':' && id.data[2] != '-'))
		return false;
	for (size_t i = 0; i < id.size; i++)
		if (i % 3 == 2 ? id.data[i] != id.data[2]
			       : !among(hexadecimal, id.data[i]))
			return false;
	return true;
}

/* False where the ends mix the cases of hexadecimal digits: one number would
 * have two names. */
static bool
find_scale(struct mm_span first, struct mm_span last, struct scale *out)
{
	size_t from = first_difference(first, last);
	bool eui = is_eui(first) && is_eui(last);
	size_t cased = eui ? 0 : from;
	const char *const scales[] = {decimal, upper, lower};

	*out = (struct scale){alphabet, "", from};
	if (!one_layout(first, last, from))
		return true;
	for (size_t i = eui; i < MM_COUNT(scales); i++)
		if (made_of(first, cased, scales[i], punctuation) &&
		    made_of(last, cased, scales[i], punctuation)) {
			*out = (struct scale){scales[i], punctuation, from};
			return true;
		}
	return !made_of(first, cased, "0123456789ABCDEFabcdef", punctuation) ||
	       !made_of(last, cased, "0123456789ABCDEFabcdef", punctuation);
}

static bool
on_scale(const struct scale *scale, struct mm_span first, struct mm_span id)
{
	for (size_t i = 0; i < id.size; i++)
		if (i < scale->from || among(scale->separators, first.data[i])
			? id.data[i] != first.data[i]
			: !among(scale->digits, id.data[i]))
			return false;
	return true;
}

static bool
in_range(const struct mm_devices *devices, struct mm_span device)
{
	struct mm_span first = devices->first, last = devices->last;
	struct scale scale;

	return device.size == first.size && device.size == last.size &&
	       find_scale(first, last, &scale) &&
	       on_scale(&scale, first, device) &&
	       mm_span_compare(first, device) <= 0 &&
	       mm_span_compare(device, last) <= 0;
}

bool
mm_devices_cover(const struct mm_devices *devices, struct mm_span device)
{
	if (devices->list.count > 0)
		return mm_texts_hold(&devices->list, device);
	if (devices->pattern.size > 0)
		return glob(devices->pattern, device);
	return devices->first.size > 0 && in_range(devices, device);
}

enum mm_error
mm_order_cover(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station)
{
	if (!mm_span_equal(order->profile, profile))
		return mm_fail(MM_E_ORDER_OTHERS,
		    "order %.*s is for profile %.*s, not %.*s",
		    MM_SPAN(order->name), MM_SPAN(order->profile),
		    MM_SPAN(profile));
	if (station.size > 0 && !mm_texts_hold(&order->stations, station))
		return mm_fail(MM_E_ORDER_OTHERS,
		    "order %.*s is not for station %.*s", MM_SPAN(order->name),
		    MM_SPAN(station));
	if (!mm_devices_cover(&order->devices, device))
		return mm_fail(MM_E_ORDER_COVER,
		    "order %.*s does not cover device %.*s",
		    MM_SPAN(order->name), MM_SPAN(device));
	return MM_OK;
}

enum mm_error
mm_order_open(const struct mm_order_claim *order, uint64_t now)
{
	char until[MM_TIME_TEXT];

	if (order->closed)
		return mm_fail(MM_E_ORDER_CLOSED,
		    "order %.*s was closed by its revision %llu",
		    MM_SPAN(order->name), (unsigned long long)order->revision);
	if (now <= order->until)
		return MM_OK;
	mm_time_text(order->until, until);
	return mm_fail(MM_E_ORDER_CLOSED, "order %.*s ended at %s",
	    MM_SPAN(order->name), until);
}

enum mm_error
mm_order_check(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station, uint64_t now)
{
	enum mm_error error = mm_order_cover(order, profile, device, station);

	return error != MM_OK ? error : mm_order_open(order, now);
}

/* a * base + b; UINT64_MAX where that is more than anybody counts. */
static uint64_t
next_digit(uint64_t a, uint64_t base, int64_t b)
{
	return a > INT64_MAX / 128 ? UINT64_MAX
				   : (uint64_t)((int64_t)(a * base) + b);
}

static int64_t
rank(const char *digits, uint8_t letter)
{
	return strchr(digits, letter) - digits;
}

/* How many ids lie in a range whose ends are sound. */
static uint64_t
range_holds(struct mm_span first, struct mm_span last)
{
	struct scale scale;
	uint64_t distance = 0;

	if (first.size != last.size || !find_scale(first, last, &scale) ||
	    !made_of(first, 0, alphabet, "") ||
	    !made_of(last, 0, alphabet, "") || mm_span_compare(first, last) > 0)
		return 0;
	/* The first difference is positive, so that it never is below 0. */
	for (size_t i = scale.from; i < first.size; i++)
		if (!among(scale.separators, first.data[i]))
			distance = next_digit(distance, strlen(scale.digits),
			    rank(scale.digits, last.data[i]) -
				rank(scale.digits, first.data[i]));
	return distance == UINT64_MAX ? distance : distance + 1;
}

static uint64_t
pattern_holds(struct mm_span pattern)
{
	uint64_t names = 1;

	for (size_t i = 0; i < pattern.size; i++) {
		if (pattern.data[i] == '*')
			return UINT64_MAX;
		if (pattern.data[i] == '?')
			names = next_digit(names, sizeof(alphabet) - 1, 0);
	}
	return names;
}

uint64_t
mm_devices_count(const struct mm_devices *devices)
{
	if (devices->list.count > 0)
		return devices->list.count;
	if (devices->pattern.size > 0)
		return pattern_holds(devices->pattern);
	return devices->first.size > 0
		   ? range_holds(devices->first, devices->last)
		   : 0;
}

static enum mm_error
unsound(const struct mm_order_claim *order, const char *what)
{
	return mm_fail(
	    MM_E_STATEMENT, "order %.*s: %s", MM_SPAN(order->name), what);
}

/* What is wrong with the id was just said. */
static enum mm_error
no_device(const struct mm_order_claim *order, struct mm_span device)
{
	char why[200];

	snprintf(why, sizeof(why), "%s", mm_why(MM_E_DEVICE_ID));
	return mm_fail(MM_E_STATEMENT, "order %.*s: %.*s: %s",
	    MM_SPAN(order->name), MM_SPAN(device), why);
}

static enum mm_error
list_sound(const struct mm_order_claim *order)
{
	for (mm_list_each(const struct mm_text_item, item, order->devices.list))
		if (mm_device_check(item->value) != MM_OK)
			return no_device(order, item->value);
	return MM_OK;
}

static enum mm_error
range_sound(const struct mm_order_claim *order)
{
	struct mm_span first = order->devices.first;
	struct mm_span last = order->devices.last;
	struct scale scale;

	if (mm_device_check(first) != MM_OK)
		return no_device(order, first);
	if (mm_device_check(last) != MM_OK)
		return no_device(order, last);
	if (first.size != last.size)
		return unsound(order, "its range's ends differ in length");
	if (mm_span_compare(first, last) > 0)
		return unsound(order, "its range ends before it begins");
	if (!find_scale(first, last, &scale))
		return unsound(order,
		    "its range's ends mix A-F and a-f: write both in one case");
	return MM_OK;
}

static enum mm_error
pattern_sound(const struct mm_order_claim *order)
{
	struct mm_span pattern = order->devices.pattern;

	for (size_t i = 0; i < pattern.size; i++)
		if (pattern.data[i] == 0 ||
		    (pattern.data[i] != '*' && pattern.data[i] != '?' &&
			strchr(alphabet, pattern.data[i]) == NULL))
			return unsound(order,
			    "its pattern is of the characters of device "
			    "ids, * and ?");
	return MM_OK;
}

static enum mm_error
devices_sound(const struct mm_order_claim *order)
{
	const struct mm_devices *devices = &order->devices;
	bool list = devices->list.count > 0;
	bool range = devices->first.size > 0 || devices->last.size > 0;
	bool pattern = devices->pattern.size > 0;
	uint64_t names = mm_devices_count(devices);
	enum mm_error error;

	if (list + range + pattern != 1)
		return unsound(order,
		    "its devices are a list, a range or a pattern, exactly "
		    "one of them");
	error = list    ? list_sound(order)
		: range ? range_sound(order)
			: pattern_sound(order);
	if (error == MM_OK && order->units > names)
		return mm_fail(MM_E_STATEMENT,
		    "order %.*s: %llu units, but its devices are only %llu",
		    MM_SPAN(order->name), (unsigned long long)order->units,
		    (unsigned long long)names);
	return error;
}

enum mm_error
mm_order_sound(const struct mm_order_claim *order)
{
	if (order->name.size == 0 || !mm_text_ok(order->name) ||
	    order->profile.size == 0 || !mm_text_ok(order->profile))
		return mm_fail(MM_E_STATEMENT,
		    "the order's name or profile is empty or not printable");
	if (order->units == 0 || order->units > UNITS_MAX)
		return unsound(order, "its units are 1 to 10,000,000");
	if (order->reissue > order->units)
		return unsound(order, "it allows more reissues than units");
	if (order->closed && order->revision == 0)
		return unsound(order, "a new order cannot be closed");
	if (order->until == 0)
		return unsound(order, "it has no end");
	if (order->stations.count == 0 || order->stations.count > STATIONS_MAX)
		return unsound(order, "it has 1 to 64 stations");
	for (mm_list_each(const struct mm_text_item, station, order->stations))
		if (station->value.size == 0 || !mm_text_ok(station->value))
			return unsound(order, "a station's name is empty or "
					      "not printable");
	return devices_sound(order);
}
