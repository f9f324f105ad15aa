#include "cli/flash_number.h"

#include <string.h>

#include "signer/numbers.h"

enum { DIGITS_MAX = 16 };

bool
mm_flash_number(const char *text, uint64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	unsigned base = hex ? 16 : 10;
	size_t size = strlen(digits);
	uint64_t value = 0;

	if (size == 0 || size > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned digit = mm_digit((uint8_t)digits[i]);

		if (digit >= base)
			return false;
		value = value * base + digit;
	}
	*out = value;
	return true;
}

enum mm_error
mm_flash_number_option(const struct mm_invocation *invocation, const char *name,
    uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = mm_option(invocation, name);
	uint64_t value;

	if (text == NULL)
		return MM_OK;
	if (!mm_flash_number(text, &value) || value < min || value > max)
		return mm_fail(MM_E_USAGE,
		    "--%s is \"%s\"; say a number from 0x%llx to 0x%llx", name,
		    text, (unsigned long long)min, (unsigned long long)max);
	*out = value;
	return MM_OK;
}
