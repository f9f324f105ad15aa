#include <string.h>

#include "signer/numbers.h"
#include "signer/partitions.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum {
	SECTOR = MM_PARTITION_SECTOR,
	APP_ALIGNMENT = MM_PARTITION_APP_ALIGNMENT,
	UNDEFINED = 6
};
/* The byte order mark of UTF-8, which editors put first. */
static const char mark[] = "\xef\xbb\xbf";

enum column { NAME, TYPE, SUBTYPE, OFFSET, SIZE, FLAGS, COLUMNS };
static const char *const column_names[COLUMNS] = {
    "name", "type", "subtype", "offset", "size", "flags"};

/* A line, before what it leaves out is filled in. */
struct line {
	struct mm_span fields[COLUMNS];
	bool offset_given;
	bool up_to; /* the size is the address where it ends */
};

static struct mm_span
cut(struct mm_span text, size_t from)
{
	return mm_span(text.data + from, text.size - from);
}

static bool
is_gap(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct mm_span
trim(struct mm_span text)
{
	while (text.size > 0 && is_gap(text.data[0]))
		text = cut(text, 1);
	while (text.size > 0 && is_gap(text.data[text.size - 1]))
		text.size--;
	return text;
}

static bool
is_one_of(uint8_t c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Takes what stands before the first of `ends` off the front of `rest`, and
 * that character with it. */
static struct mm_span
take_to(struct mm_span *rest, const char *ends)
{
	size_t size = 0;
	struct mm_span taken;

	while (size < rest->size && !is_one_of(rest->data[size], ends))
		size++;
	taken = mm_span(rest->data, size);
	*rest = cut(*rest, size < rest->size ? size + 1 : size);
	return taken;
}

/* --- numbers --- */

static uint64_t
take_unit(struct mm_span *text)
{
	uint8_t last = text->size > 0 ? text->data[text->size - 1] | 0x20 : 0;

	if (last != 'k' && last != 'm')
		return 1;
	text->size--;
	*text = trim(*text);
	return last == 'k' ? 1 << 10 : 1 << 20;
}

/* A leading 0 might be meant as octal. */
bool
mm_partition_number(struct mm_span text, uint64_t *out)
{
	uint64_t unit = take_unit(&text), number = 0;
	unsigned base = 10;

	if (text.size > 2 && text.data[0] == '0' &&
	    (text.data[1] | 0x20) == 'x') {
		base = 16;
		text = cut(text, 2);
	} else if (text.size > 1 && text.data[0] == '0') {
		return false;
	}
	for (size_t i = 0; i < text.size; i++) {
		unsigned digit = mm_digit(text.data[i]);

		if (digit >= base || number > UINT32_MAX)
			return false;
		number = number * base + digit;
	}
	if (text.size == 0 || number > UINT32_MAX / unit)
		return false;
	*out = number * unit;
	return true;
}

static enum mm_error
bad_field(const struct line *line, enum column column, const char *wanted)
{
	return wrong("the %s \"%.*s\" is not %s", column_names[column],
	    MM_SPAN(line->fields[column]), wanted);
}

/* --- a line --- */

static enum mm_error
read_type(const struct line *line, struct mm_partition *p)
{
	struct mm_span field = line->fields[TYPE];

	if (mm_partition_type_number(field, &p->type) ||
	    (mm_partition_number(field, &p->type) && p->type <= UINT8_MAX))
		return MM_OK;
	return bad_field(line, TYPE,
	    "app, data, bootloader, partition_table or a number below 0xff "
	    "(a line of headings begins with #)");
}

static enum mm_error
read_subtype(const struct line *line, struct mm_partition *p)
{
	struct mm_span field = line->fields[SUBTYPE];

	if (field.size == 0 && p->type == MM_PARTITION_APP)
		return wrong("an app needs a subtype, as factory or ota_0");
	if (field.size == 0) {
		p->subtype = UNDEFINED;
		return MM_OK;
	}
	if (mm_partition_subtype_number(p->type, field, &p->subtype) ||
	    (mm_partition_number(field, &p->subtype) &&
		p->subtype <= UINT8_MAX))
		return MM_OK;
	return bad_field(
	    line, SUBTYPE, "one of its type, nor a number below 0x100");
}

static enum mm_error
read_offset(struct line *line, struct mm_partition *p)
{
	struct mm_span field = line->fields[OFFSET];

	if (field.size == 0 || mm_partition_is_primary(p))
		return MM_OK;
	if (!mm_partition_number(field, &p->offset))
		return bad_field(line, OFFSET,
		    "a number (0x10000, 64K), or blank: behind the partition "
		    "before");
	line->offset_given = true;
	return MM_OK;
}

/* Of the bootloader and the table the rules tell the size. */
static enum mm_error
read_size(struct line *line, const struct mm_partition_rules *rules,
    struct mm_partition *p)
{
	struct mm_span field = line->fields[SIZE];

	if (p->type == MM_PARTITION_TABLE) {
		p->size = SECTOR;
		return MM_OK;
	}
	if (p->type == MM_PARTITION_BOOTLOADER) {
		if (rules->bootloader >= rules->table)
			return wrong("a bootloader's partition takes its size "
				     "from the bootloader's offset, before the "
				     "table's: say which the chip has, with "
				     "--primary-bootloader-offset");
		p->size = rules->table - rules->bootloader;
		return MM_OK;
	}
	if (field.size > 0 && field.data[0] == '-') {
		line->up_to = true;
		field = cut(field, 1);
	}
	if (!mm_partition_number(field, &p->size))
		return bad_field(line, SIZE,
		    "a number (0x6000, 24K, 1M), or one with a minus sign: up "
		    "to this address");
	return MM_OK;
}

static enum mm_error
read_flags(const struct line *line, struct mm_partition *p)
{
	struct mm_span rest = line->fields[FLAGS];

	while (rest.size > 0) {
		struct mm_span flag = take_to(&rest, ":");

		if (mm_span_is(flag, "encrypted"))
			p->encrypted = true;
		else if (mm_span_is(flag, "readonly"))
			p->readonly = true;
		else if (flag.size > 0)
			return wrong("the flag \"%.*s\" is neither encrypted "
				     "nor readonly",
			    MM_SPAN(flag));
	}
	return MM_OK;
}

static enum mm_error
split(struct mm_span text, struct line *line)
{
	if (memchr(text.data, '$', text.size) != NULL)
		return wrong("variables ($) are not filled in here: write "
			     "what they stand for");
	for (size_t i = 0; i < COLUMNS; i++) {
		line->fields[i] = trim(take_to(&text, ","));
		if (!mm_text_ok(line->fields[i]))
			return wrong(
			    "the %s is not printable UTF-8", column_names[i]);
	}
	for (struct mm_span more = text; more.size > 0;)
		if (trim(take_to(&more, ",")).size > 0)
			return wrong("there are more than %d fields", COLUMNS);
	return MM_OK;
}

static enum mm_error
read_line(struct mm_span text, const struct mm_partition_rules *rules,
    struct line *line, struct mm_partition *out)
{
	enum mm_error error = split(text, line);

	*out = (struct mm_partition){.name = line->fields[NAME]};
	if (error == MM_OK)
		error = read_type(line, out);
	if (error == MM_OK)
		error = read_subtype(line, out);
	if (error == MM_OK)
		error = read_offset(line, out);
	if (error == MM_OK)
		error = read_size(line, rules, out);
	if (error == MM_OK)
		error = read_flags(line, out);
	return error;
}

/* --- what the lines leave out --- */

static uint64_t
round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* `end` is where the partition before ended; the primary bootloader and the
 * table lie in front of all and do not count. */
static enum mm_error
place(const struct line *line, const struct mm_partition_rules *rules,
    uint64_t *end, struct mm_partition *p)
{
	if (mm_partition_is_primary(p)) {
		p->offset = p->type == MM_PARTITION_TABLE ? rules->table
							  : rules->bootloader;
		return MM_OK;
	}
	if (!line->offset_given)
		p->offset = round_up(
		    *end, p->type == MM_PARTITION_APP ? APP_ALIGNMENT : SECTOR);
	else if (p->offset < *end)
		return wrong("\"%.*s\" begins at 0x%llx, before 0x%llx, where "
			     "what lies before it ends: leave its offset "
			     "blank, or put the lines in order",
		    MM_SPAN(p->name), (unsigned long long)p->offset,
		    (unsigned long long)*end);
	if (line->up_to && p->size <= p->offset)
		return wrong("\"%.*s\" should end at 0x%llx and begins at "
			     "0x%llx",
		    MM_SPAN(p->name), (unsigned long long)p->size,
		    (unsigned long long)p->offset);
	if (line->up_to)
		p->size -= p->offset;
	*end = p->offset + p->size;
	return MM_OK;
}

/* --- the text --- */

struct reading {
	const struct mm_partition_rules *rules;
	uint64_t end; /* of the partition before */
	unsigned line;
	size_t count;
	struct mm_partition partitions[MM_PARTITIONS_MAX];
	unsigned lines[MM_PARTITIONS_MAX]; /* where they stand */
};

static enum mm_error
add_line(struct reading *reading, struct mm_span text)
{
	struct line line = {0};
	struct mm_partition *p = &reading->partitions[reading->count];
	enum mm_error error;

	text = trim(text);
	if (text.size == 0 || text.data[0] == '#')
		return MM_OK;
	if (reading->count == MM_PARTITIONS_MAX)
		return wrong(
		    "there are more than %d partitions", MM_PARTITIONS_MAX);
	error = read_line(text, reading->rules, &line, p);
	if (error == MM_OK)
		error = place(&line, reading->rules, &reading->end, p);
	reading->lines[reading->count++] = reading->line;
	return error;
}

static enum mm_error
in_line(enum mm_error error, unsigned line)
{
	return mm_fail(error, "line %u: %s", line, mm_why(error));
}

/* Lines end in LF, CR LF or CR. */
static enum mm_error
read_lines(struct reading *reading, struct mm_span text)
{
	if (text.size >= 3 && memcmp(text.data, mark, 3) == 0)
		text = cut(text, 3);
	for (reading->line = 1; text.size > 0; reading->line++) {
		size_t left = text.size;
		struct mm_span line = take_to(&text, "\r\n");
		enum mm_error error = add_line(reading, line);

		if (error != MM_OK)
			return in_line(error, reading->line);
		if (left > line.size && line.data[line.size] == '\r' &&
		    text.size > 0 && text.data[0] == '\n')
			text = cut(text, 1);
	}
	return MM_OK;
}

static enum mm_error
check_all(const struct reading *reading, const struct mm_partition_facts *facts)
{
	size_t at = MM_PARTITIONS_MAX;
	enum mm_error error = mm_partitions_check(facts, reading->rules, &at);

	if (error == MM_OK || at >= reading->count)
		return error;
	return in_line(error, reading->lines[at]);
}

enum mm_error
mm_partitions_csv(struct mm_span text, const struct mm_partition_rules *rules,
    struct mm_arena *arena, struct mm_partition_facts *out)
{
	struct reading *reading = mm_arena_alloc(arena, sizeof(*reading));
	struct mm_partition_facts facts = {.summed = rules->md5};
	enum mm_error error;

	if (reading == NULL)
		return mm_fail(MM_E_MEMORY, "no room for a partition table");
	reading->rules = rules;
	reading->end = rules->table + SECTOR;
	error = read_lines(reading, text);
	if (error != MM_OK)
		return error;
	facts.partitions =
	    (struct mm_list){reading->partitions, reading->count};
	error = check_all(reading, &facts);
	if (error == MM_OK)
		*out = facts;
	return error;
}
