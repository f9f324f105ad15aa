#include "server/witnesses.h"

#include <string.h>

#include "log/note.h"

enum { WITNESSES_MAX = 16 };

enum mm_error
mm_witnesses_check(const char *file, const struct mm_settings *settings)
{
	struct mm_witness known[WITNESSES_MAX];
	size_t count = 0;

	for (mm_list_each(
		 const struct mm_text_item, item, settings->witnesses)) {
		struct mm_witness *one = &known[count];

		if (count == WITNESSES_MAX)
			return mm_fail(MM_E_SETTING,
			    "%s: log: witness: more than %d", file,
			    WITNESSES_MAX);
		if (mm_witness_decode(item->value, one) != MM_OK)
			return mm_fail(MM_E_SETTING,
			    "%s: log: witness: \"%.*s\": %s", file,
			    MM_SPAN(item->value), mm_why(MM_E_VKEY));
		for (size_t i = 0; i < count; i++)
			if (memcmp(known[i].vkey.public_key,
				one->vkey.public_key,
				sizeof(one->vkey.public_key)) == 0)
				return mm_fail(MM_E_SETTING,
				    "%s: log: witness: %s and %s have one key: "
				    "they would count as one",
				    file, known[i].vkey.name, one->vkey.name);
		count++;
	}
	return MM_OK;
}
