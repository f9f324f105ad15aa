/*
 * The text that people write, settings and policy alike. libConfuse reads
 * it; a grammar says in a table what may stand in it, and where each value
 * goes. Whatever is not in the table, stands there twice or is out of its
 * bounds is an error with file and line.
 */
#ifndef MM_GRAMMAR_H
#define MM_GRAMMAR_H

#include "protocol/shape.h"

/* A word and what it stands for; tables end with a NULL word. */
struct mm_word {
	const char *word;
	uint64_t value;
};

struct mm_grammar_key {
	const char *name;
	/* Reads one value as written into `member`; mm_why() says what is
	 * allowed. Called twice a value, the first time for its verdict. */
	enum mm_error (*read)(const struct mm_grammar_key *key,
	    const char *value, struct mm_arena *arena, void *member);
	size_t offset; /* of the member in the section's struct */
	bool list;     /* {a, b}: `min` and `max` count its items */
	size_t item;   /* size of an item of a struct mm_list; 0: `read` gathers
			* the items in the member itself */
	uint64_t min, max;    /* of the value, or of its length */
	const char *standard; /* where it is not given: read in its place; "":
			       * zero or empty; NULL: it must be given */
	const struct mm_word *words;
};

struct mm_grammar_section {
	const char *name; /* NULL: outside of any section */
	const struct mm_grammar_key *keys;
	size_t count;
	/*
	 * item 0: at most one; its members lie in the whole struct. Else each
	 * has a title and becomes an item, `item` bytes large, of the
	 * struct mm_list at `offset`; the title goes to the struct mm_span
	 * with which it begins.
	 */
	size_t offset, item, max;
};

struct mm_grammar {
	enum mm_error error; /* of every fault */
	const struct mm_grammar_section *sections;
	size_t count;
};

/*
 * Reads `text`, which stands in the file `path`, into `out`, zeroed before.
 * Spans and lists come to lie in the arena. `out` is undefined on failure.
 */
enum mm_error
mm_grammar_read(const struct mm_grammar *grammar, const char *path,
    struct mm_span text, struct mm_arena *arena, void *out) mm_must_use;

/* Which line gives a key its value, the first one of a list. */
struct mm_grammar_mark {
	const char *section; /* of the grammar; NULL: outside of any */
	struct mm_span title;
	const char *key;
	unsigned line;
};
struct mm_grammar_marks {
	struct mm_grammar_mark *items;
	size_t count, room; /* what does not fit is left out */
};

/* Room for all marks of a text; MM_E_MEMORY. */
enum mm_error mm_grammar_marks_init(
    struct mm_grammar_marks *marks, struct mm_arena *arena) mm_must_use;
/* The same as mm_grammar_read(), and `marks` has the lines. */
enum mm_error mm_grammar_read_marked(const struct mm_grammar *grammar,
    const char *path, struct mm_span text, struct mm_arena *arena,
    struct mm_grammar_marks *marks, void *out) mm_must_use;
/* The line of a key; of the section's first value where there is none or
 * `key` is NULL; else 0. */
unsigned mm_grammar_line(const struct mm_grammar_marks *marks,
    const char *section, struct mm_span title, const char *key);

/* Readers of values. */
enum mm_error mm_read_number(const struct mm_grammar_key *key,
    const char *value, struct mm_arena *arena, void *member) mm_must_use;
/* Bytes: "64K", "16M", "1G". */
enum mm_error mm_read_size(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member) mm_must_use;
/* Seconds: "10s", "5m", "1h", "7d", "20y" of 365 days, or a word. */
enum mm_error mm_read_duration(const struct mm_grammar_key *key,
    const char *value, struct mm_arena *arena, void *member) mm_must_use;
/* One of the words, as uint64_t; several add up. */
enum mm_error mm_read_word(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member) mm_must_use;
/* yes or no, as bool. */
enum mm_error mm_read_switch(const struct mm_grammar_key *key,
    const char *value, struct mm_arena *arena, void *member) mm_must_use;
/* Text of `min` to `max` bytes, or of 1 to 255 in a list. */
enum mm_error mm_read_text(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member) mm_must_use;

#endif
