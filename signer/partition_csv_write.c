#include <string.h>

#include "signer/partitions.h"

/* The byte order mark of UTF-8: at the front of a file it is passed over. */
static const char mark[] = "\xef\xbb\xbf";

/* A name that reads back as it is: not taken for a comment, a field's end or
 * a variable, nor trimmed. */
static bool
name_fits(struct mm_span name)
{
	return name.size > 0 && name.size <= MM_PARTITION_NAME &&
	       mm_text_ok(name) && name.data[0] != '#' && name.data[0] != ' ' &&
	       name.data[name.size - 1] != ' ' &&
	       memchr(name.data, ',', name.size) == NULL &&
	       memchr(name.data, '$', name.size) == NULL &&
	       (name.size < 3 || memcmp(name.data, mark, 3) != 0);
}

static void
write_word(struct mm_buffer *out, const char *word, uint64_t number)
{
	if (word != NULL)
		mm_buffer_printf(out, "%s,", word);
	else
		mm_buffer_printf(out, "%llu,", (unsigned long long)number);
}

/* In the largest unit that divides it. */
static void
write_size(struct mm_buffer *out, uint64_t size)
{
	static const struct {
		unsigned shift;
		const char *letter;
	} units[] = {{20, "M"}, {10, "K"}};

	for (size_t i = 0; i < MM_COUNT(units); i++)
		if (size >> units[i].shift << units[i].shift == size) {
			mm_buffer_printf(out, "%llu%s,",
			    (unsigned long long)(size >> units[i].shift),
			    units[i].letter);
			return;
		}
	mm_buffer_printf(out, "0x%llx,", (unsigned long long)size);
}

static void
write_line(struct mm_buffer *out, const struct mm_partition *p)
{
	mm_buffer_printf(out, "%.*s,", MM_SPAN(p->name));
	write_word(out, mm_partition_type_name(p->type), p->type);
	write_word(
	    out, mm_partition_subtype_name(p->type, p->subtype), p->subtype);
	mm_buffer_printf(out, "0x%llx,", (unsigned long long)p->offset);
	write_size(out, p->size);
	mm_buffer_printf(out, "%s%s%s\n", p->encrypted ? "encrypted" : "",
	    p->encrypted && p->readonly ? ":" : "",
	    p->readonly ? "readonly" : "");
}

enum mm_error
mm_partitions_csv_write(
    const struct mm_partition_facts *facts, struct mm_buffer *out)
{
	for (mm_list_each(const struct mm_partition, p, facts->partitions))
		if (!name_fits(p->name))
			return mm_fail(MM_E_FORMAT,
			    "a CSV cannot hold the name \"%.*s\": "
			    "rename the partition",
			    MM_SPAN(p->name));
	mm_buffer_add_text(out, "# ESP-IDF Partition Table\n"
				"# Name, Type, SubType, Offset, Size, Flags\n");
	for (mm_list_each(const struct mm_partition, p, facts->partitions))
		write_line(out, p);
	return out->error;
}
