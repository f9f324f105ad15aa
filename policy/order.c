#include "policy/order.h"

#include <string.h>

#include "ca/profile.h"

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

static bool
in_range(const struct mm_devices *devices, struct mm_span device)
{
	return device.size == devices->first.size &&
	       device.size == devices->last.size &&
	       mm_span_compare(devices->first, device) <= 0 &&
	       mm_span_compare(device, devices->last) <= 0;
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
		return mm_fail(MM_E_ORDER_COVER,
		    "order %.*s is for profile %.*s, not %.*s",
		    MM_SPAN(order->name), MM_SPAN(order->profile),
		    MM_SPAN(profile));
	if (!mm_devices_cover(&order->devices, device))
		return mm_fail(MM_E_ORDER_COVER,
		    "order %.*s does not cover device %.*s",
		    MM_SPAN(order->name), MM_SPAN(device));
	if (station.size > 0 && !mm_texts_hold(&order->stations, station))
		return mm_fail(MM_E_ORDER_COVER,
		    "order %.*s is not for station %.*s", MM_SPAN(order->name),
		    MM_SPAN(station));
	return MM_OK;
}

enum mm_error
mm_order_open(const struct mm_order_claim *order, uint64_t now)
{
	if (now > order->until)
		return mm_fail(MM_E_ORDER_CLOSED, "order %.*s ended at %llu",
		    MM_SPAN(order->name), (unsigned long long)order->until);
	return MM_OK;
}

enum mm_error
mm_order_check(const struct mm_order_claim *order, struct mm_span profile,
    struct mm_span device, struct mm_span station, uint64_t now)
{
	enum mm_error error = mm_order_cover(order, profile, device, station);

	return error != MM_OK ? error : mm_order_open(order, now);
}

/* The characters of device ids, in the order of their bytes. */
static const char alphabet[] = "-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
			       "abcdefghijklmnopqrstuvwxyz";
enum { LETTERS = sizeof(alphabet) - 1 };

static int64_t
rank(uint8_t letter)
{
	return strchr(alphabet, letter) - alphabet;
}

/* How many names lie in a sound range; UNITS_MAX stands for that and more. */
static uint64_t
range_holds(struct mm_span first, struct mm_span last)
{
	int64_t distance = 0;

	for (size_t i = 0; i < first.size && distance < UNITS_MAX; i++)
		distance = distance * LETTERS + rank(last.data[i]) -
			   rank(first.data[i]);
	return distance < UNITS_MAX ? (uint64_t)distance + 1 : UNITS_MAX;
}

static uint64_t
pattern_holds(struct mm_span pattern)
{
	uint64_t names = 1;

	for (size_t i = 0; i < pattern.size && names < UNITS_MAX; i++) {
		if (pattern.data[i] == '*')
			return UNITS_MAX;
		if (pattern.data[i] == '?')
			names *= LETTERS;
	}
	return names < UNITS_MAX ? names : UNITS_MAX;
}

static enum mm_error
unsound(const struct mm_order_claim *order, const char *what)
{
	return mm_fail(
	    MM_E_STATEMENT, "order %.*s: %s", MM_SPAN(order->name), what);
}

static enum mm_error
list_sound(const struct mm_order_claim *order, uint64_t *names)
{
	for (mm_list_each(const struct mm_text_item, item, order->devices.list))
		if (mm_device_check(item->value) != MM_OK)
			return unsound(order, "a device in its list has no "
					      "valid id");
	*names = order->devices.list.count;
	return MM_OK;
}

static enum mm_error
range_sound(const struct mm_order_claim *order, uint64_t *names)
{
	struct mm_span first = order->devices.first;
	struct mm_span last = order->devices.last;

	if (mm_device_check(first) != MM_OK || mm_device_check(last) != MM_OK)
		return unsound(order, "an end of its range is no device id");
	if (first.size != last.size)
		return unsound(order, "its range's ends differ in length");
	if (mm_span_compare(first, last) > 0)
		return unsound(order, "its range ends before it begins");
	*names = range_holds(first, last);
	return MM_OK;
}

static enum mm_error
pattern_sound(const struct mm_order_claim *order, uint64_t *names)
{
	struct mm_span pattern = order->devices.pattern;

	for (size_t i = 0; i < pattern.size; i++)
		if (pattern.data[i] == 0 ||
		    (pattern.data[i] != '*' && pattern.data[i] != '?' &&
			strchr(alphabet, pattern.data[i]) == NULL))
			return unsound(order,
			    "its pattern is of the characters of device "
			    "ids, * and ?");
	*names = pattern_holds(pattern);
	return MM_OK;
}

static enum mm_error
devices_sound(const struct mm_order_claim *order)
{
	const struct mm_devices *devices = &order->devices;
	bool list = devices->list.count > 0;
	bool range = devices->first.size > 0 || devices->last.size > 0;
	bool pattern = devices->pattern.size > 0;
	uint64_t names = 0;
	enum mm_error error;

	if (list + range + pattern != 1)
		return unsound(order,
		    "its devices are a list, a range or a pattern, exactly "
		    "one of them");
	error = list    ? list_sound(order, &names)
		: range ? range_sound(order, &names)
			: pattern_sound(order, &names);
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
