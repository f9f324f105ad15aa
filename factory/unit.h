/*
 * One unit of an order: its values, its key and CSR, and, when its certificate
 * is there, all its files. Nothing is written and nobody is talked to: cli's
 * `produce` keeps the journal, asks the appliance and writes the files.
 *
 *   unit.c           made, and what can be asked of it
 *   unit_values.c    its values
 *   unit_csr.c       a CSR that its device made
 *   unit_sealed.c    encoded for the journal, decoded
 *   unit_room.c      how much memory for secrets one takes
 *   unit_files.c     its files; unit_json.c unit.json
 *   unit_register.c  its rows for a cloud or a broker
 *   unit_key.h       device keys
 *   unit_images.h    partition images
 *   unit_parts.h     inside a unit, for this room
 *
 * A unit lies in sodium memory where it is secret. Order of use: new, (encode
 * to the journal), CSR to the appliance, finish, results, registration, free.
 */
#ifndef MM_FACTORY_UNIT_H
#define MM_FACTORY_UNIT_H

#include "factory/label.h"
#include "factory/production.h"

enum {
	MM_UNIT_SEALED_MAX = 16000, /* of what mm_unit_encode() appends */
	MM_UNIT_KEYS = 3,
	MM_UNIT_KEY_FD = 20 /* the first of the descriptors that a hook gets */
};

struct mm_unit;

struct mm_unit_terms {
	/* `device`, and what the list and --value say of it. Read by
	 * mm_unit_new() and copied. A name in it that the template does not
	 * name goes nowhere. */
	const struct mm_label_values *given;
	struct mm_span order;
	uint64_t ordinal; /* in the run, from 0 on: what `count` adds */
	uint64_t now;     /* POSIX seconds */
	bool plain_keys;  /* keys are files */
};

/*
 * Makes values, keys and CSR. The template must outlive the unit. MM_E_USAGE,
 * MM_E_FORMAT, MM_E_RANGE, as mm_production_check() would have said;
 * MM_E_FILE, MM_E_CSR, MM_E_CSR_SIGNATURE: the device's CSR.
 */
enum mm_error mm_unit_new(const struct mm_production *production,
    const struct mm_unit_terms *terms, struct mm_unit **out) mm_must_use;
/* Bytes of locked memory that one holds until it is freed, at most. */
size_t mm_unit_room(const struct mm_production *production);
void mm_unit_free(struct mm_unit *unit);

/* Appends all that making it again needs, MM_UNIT_SEALED_MAX bytes at most, as
 * CBOR. There are keys in it: `out` is a secret's (mm_flash_secret_buffer).
 * MM_E_RANGE: mm_unit_new() has seen to it that it fits. */
enum mm_error
mm_unit_encode(const struct mm_unit *unit, struct mm_buffer *out) mm_must_use;
/*
 * The same unit: same values and keys, ordinal and date; its CSR is made
 * again, of the same key. Of `terms` plain_keys counts; the rest may be
 * zero. The template may be another one than it was made with, if it makes the
 * same keys and names no value that the unit lacks. MM_E_FORMAT: it does not
 * fit, or is damaged.
 */
enum mm_error
mm_unit_decode(const struct mm_production *production, struct mm_span bytes,
    const struct mm_unit_terms *terms, struct mm_unit **out) mm_must_use;

struct mm_span mm_unit_device(const struct mm_unit *unit);
struct mm_span mm_unit_csr(const struct mm_unit *unit);  /* DER */
struct mm_span mm_unit_spki(const struct mm_unit *unit); /* DER */
uint64_t mm_unit_ordinal(const struct mm_unit *unit);

/* What the appliance answered; checked by the caller, and read during the
 * call alone. */
struct mm_unit_certificate {
	struct mm_span certificate;  /* DER */
	const struct mm_list *chain; /* mm_bytes_item: DER, issuer first */
	struct mm_span receipt;
	uint64_t index; /* of its entry */
};
struct mm_unit_file {
	const char *name; /* in the unit's directory */
	struct mm_span bytes;
	bool secret; /* mode 0600 */
	bool script; /* may be executed */
};
/*
 * All files: device.crt (PEM), chain.pem, device.receipt, the images
 * (PARTITION.bin), plan.txt, plan.json, flash.sh, label.EXT, unit.json; with
 * plain_keys key.pem, flash.key, hmac.key, ds.key. They lie in the unit and
 * live until it is freed. Once a unit. What mm_production_check() could not
 * know yet is refused here, the registration's row included: MM_E_FORMAT: the
 * certificate is another key's, the template's root another one's, or its
 * common name none that the registration takes; MM_E_USAGE: the issuer's
 * certificate is wanted and not known; MM_E_RANGE: it is too large for its
 * partition.
 */
enum mm_error mm_unit_finish(struct mm_unit *unit,
    const struct mm_unit_certificate *certificate,
    const struct mm_unit_file **files, size_t *count) mm_must_use;

/* Appends its public values as CSV cells with commas between, in the order of
 * facts.results; no comma before the first, no line end. */
enum mm_error
mm_unit_results(const struct mm_unit *unit, struct mm_buffer *out) mm_must_use;
/* Appends its rows with their line ends; after finish. Nothing where the
 * template registers nothing. */
enum mm_error mm_unit_registration(
    const struct mm_unit *unit, struct mm_buffer *out) mm_must_use;

/* Keys that were made for this unit's eFuses: the hook's descriptors. */
struct mm_unit_key {
	int fd;           /* 20 flash, 21 hmac, 22 ds; always the same */
	const char *name; /* "flash", "hmac", "ds" */
	struct mm_span bytes;
};
/* How many there are, 0 to MM_UNIT_KEYS. */
size_t
mm_unit_keys(const struct mm_unit *unit, struct mm_unit_key out[MM_UNIT_KEYS]);

#endif
