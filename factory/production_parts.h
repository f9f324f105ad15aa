/*
 * Inside the template, for this room: what its text came to. All texts lie in
 * its arena.
 * production.h has a table of the files.
 */
#ifndef MM_FACTORY_PRODUCTION_PARTS_H
#define MM_FACTORY_PRODUCTION_PARTS_H

#include "factory/plan.h"
#include "factory/production_text.h"
#include "factory/unit.h"
#include "factory/unit_images.h"
#include "factory/unit_key.h"

enum {
	MM_PRODUCTION_VALUES_MAX = 48,
	MM_PRODUCTION_IMAGES_MAX = 16,
	MM_PRODUCTION_NAMES_MAX = 80, /* with builtins, of MM_LABEL_VALUES */
	MM_PRODUCTION_DIGITS_MAX = 19,
	MM_PRODUCTION_RANDOM_MAX = 256,
	MM_PRODUCTION_EFUSE_KEY_MAX = MM_FLASH_KEY_MAX
};

/* --- values --- */

enum mm_value_making {
	MM_VALUE_GIVEN, /* by the list */
	MM_VALUE_TEXT,
	MM_VALUE_COUNT,
	MM_VALUE_RANDOM
};
struct mm_production_value {
	struct mm_span name;
	unsigned line;
	enum mm_value_making making;
	const char *text;
	uint64_t first, digits; /* of a count; 0 digits: as many as it has */
	uint64_t length;        /* characters of a random one */
	const char *alphabet;   /* its characters */
	bool secret;
};

/* Where the template names a value. */
struct mm_production_name {
	struct mm_span name;
	unsigned line;
	bool optional; /* it may have none */
	bool path;     /* it is part of a file's path */
};

/* --- keys in eFuses --- */

enum mm_efuse_use { MM_EFUSE_FLASH, MM_EFUSE_HMAC, MM_EFUSE_DS, MM_EFUSE_USES };
struct mm_efuse_key {
	bool there, made;
	unsigned line;
	const char *path;           /* of a file, absolute */
	struct mm_flash_secret key; /* its bytes */
	size_t size;
	uint64_t block; /* BLOCK_KEYn, of HMAC and DS */
};
/* "flash", "hmac", "ds"; "the flash encryption key" and so on. */
extern const char *const mm_efuse_names[MM_EFUSE_USES];
extern const char *const mm_efuse_words[MM_EFUSE_USES];

/* --- images --- */

struct mm_production_image {
	const char *name; /* its partition's, and in the file's name */
	const char *file; /* "creds.bin" */
	unsigned line;
	struct mm_image_plan plan;
	const struct mm_partition *partition; /* NULL without a table */
	const char *rows;                     /* path */
	struct mm_flash_secret given;         /* NVS keys of a file */
	int of;         /* an nvs-keys image: whose keys it holds */
	bool keys_held; /* NVS keys of its own lie in an nvs-keys image */
	struct mm_unit_image_facts facts;
	struct mm_unit_image *image;
};

/* Whether NVS keys are made for it; a key partition only holds another's. */
static inline bool
mm_production_makes_keys(const struct mm_production_image *image)
{
	return image->plan.format == MM_IMAGE_NVS &&
	       image->plan.keys == MM_IMAGE_KEYS_MADE;
}

/* --- label and registration --- */

struct mm_production;
struct mm_production_label {
	bool there, secret; /* it shows a secret value */
	unsigned line, template_line, lines_line;
	struct mm_label_plan plan;
	const struct mm_label_drawing *drawing;
	const char *file; /* "label.svg" */
	uint64_t mm, dots, scale;
};
enum { MM_LABEL_DRAWN_MAX = 16 << 20 };
/* Appends a unit's label, where the template has one, to an empty buffer.
 * Errors name its line. What is in it may be a secret: wipe it. */
enum mm_error mm_production_draw(const struct mm_production *production,
    const struct mm_label_values *values, struct mm_buffer *out) mm_must_use;

enum mm_production_register {
	MM_REGISTER_NONE,
	MM_REGISTER_AWS_BULK,
	MM_REGISTER_AZURE_DPS,
	MM_REGISTER_MOSQUITTO
};

/* --- the plan --- */

struct mm_production_plan {
	bool there;
	struct mm_span text, json, script;
};

/* --- all of it --- */

struct mm_production {
	const char *path;
	const char *directory; /* absolute; what is relative lies in it */
	struct mm_arena arena;
	struct mm_list sections;
	crypto_hash_sha256_state digest; /* of all that was read */
	uint8_t sha256[32];

	const struct mm_chip *chip;
	bool csr;
	enum mm_device_key_kind key;
	const char *csr_path; /* a text with names in it */
	unsigned csr_line;
	bool has_table;
	struct mm_partition_facts table;
	uint64_t table_offset;
	struct mm_span root; /* DER of its certificate; empty: not known */
	struct mm_efuse_key efuse[MM_EFUSE_USES];

	struct mm_production_value values[MM_PRODUCTION_VALUES_MAX];
	size_t value_count;
	/* Texts behind the values that they name. */
	const struct mm_production_value *order[MM_PRODUCTION_VALUES_MAX];
	struct mm_production_name names[MM_PRODUCTION_NAMES_MAX];
	size_t name_count;

	struct mm_production_image images[MM_PRODUCTION_IMAGES_MAX];
	size_t image_count;
	struct mm_production_label label;
	enum mm_production_register registers;
	unsigned register_line;
	bool register_ca, register_csv;
	struct mm_span register_ca_file; /* PEM; or it is the issuer's */
	const char *register_topic;
	/* Where keys are descriptors, and where they are files. */
	struct mm_production_plan plan[2];
	/* Files of the plan that every unit has. */
	struct mm_span otadata, table_file;

	const char *plain, *lost, *lost_always, *results;
};

/* An error with the template's path and a line of it; 0: none. */
enum mm_error mm_production_wrong(const struct mm_production *production,
    unsigned line, enum mm_error error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for an error that has its words already. */
enum mm_error mm_production_in_line(
    const struct mm_production *production, unsigned line, enum mm_error error);
/* A text made here, in the arena; NULL: no memory. */
const char *mm_production_say(struct mm_production *production,
    const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- settings: `out` keeps its value where one is not given --- */

struct mm_setting_choice {
	const char *word;
	unsigned value;
};
void mm_setting_text(const struct mm_section *section, const char *name,
    const char **out, unsigned *line);
enum mm_error mm_setting_number(const struct mm_production *production,
    const struct mm_section *section, const char *name, uint64_t min,
    uint64_t max, uint64_t *out) mm_must_use;
enum mm_error mm_setting_word(const struct mm_production *production,
    const struct mm_section *section, const char *name,
    const struct mm_setting_choice *words, size_t count,
    unsigned *out) mm_must_use;
enum mm_error mm_setting_yes(const struct mm_production *production,
    const struct mm_section *section, const char *name, bool *out) mm_must_use;

/* A path of the template's as an absolute one, in the arena. */
enum mm_error mm_production_path(struct mm_production *production,
    const char *path, const char **out) mm_must_use;
/* Reads a file that line `line` names, into the arena or into a secret, and
 * into the digest. */
enum mm_error
mm_production_file(struct mm_production *production, unsigned line,
    const char *path, size_t max, struct mm_span *out) mm_must_use;
enum mm_error mm_production_secret(struct mm_production *production,
    unsigned line, const char *path, struct mm_flash_secret *out) mm_must_use;
const struct mm_section *
mm_production_section(const struct mm_production *production, const char *kind);

/* --- the parts, in the order in which they are read --- */

enum mm_error mm_production_top(struct mm_production *production) mm_must_use;
enum mm_error
mm_production_values(struct mm_production *production) mm_must_use;
enum mm_error
mm_production_images(struct mm_production *production) mm_must_use;
/* Joins key partitions to images, and opens all. */
enum mm_error mm_production_join(struct mm_production *production) mm_must_use;
enum mm_error mm_production_label(struct mm_production *production) mm_must_use;
enum mm_error
mm_production_register(struct mm_production *production) mm_must_use;
/* After all texts are there. */
enum mm_error mm_production_names(struct mm_production *production) mm_must_use;
enum mm_error mm_production_plan(struct mm_production *production) mm_must_use;
/* Sets plain, lost, lost_always and results. */
enum mm_error mm_production_judge(struct mm_production *production) mm_must_use;

const struct mm_production_value *mm_production_value_named(
    const struct mm_production *production, struct mm_span name);

#endif
