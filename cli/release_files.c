#include "cli/release_files.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ca/certificate.h"
#include "cli/json_value.h"
#include "cli/release_attach.h"
#include "cli/release_kept.h"
#include "cli/release_ota.h"
#include "signer/hashing.h"

enum {
	ARENA = 16 << 20,
	FILES_MAX = 8 * MM_SIGNINGS_MAX,
	NAME_SIZE = MM_SIGNING_MAX + 16,
	TEXT_MAX = 1 << 20
};
#define FIRMWARE "firmware.bin"
#define SUBMITTED "submitted.bin"

struct file {
	char name[NAME_SIZE];
	struct mm_buffer bytes;
};

struct package {
	const struct mm_invocation *invocation;
	const struct mm_release_row *row;
	const char *directory;
	struct mm_arena arena;
	struct mm_release_all all;
	struct mm_own_image fetched;
	struct mm_own_image *image; /* ours, or the one that was fetched */
	struct file files[FILES_MAX];
	size_t count;
	json_t *report, *signings;
	bool has_ota;
};

static void
package_clear(struct package *p)
{
	for (size_t i = 0; i < p->count; i++)
		mm_buffer_clear(&p->files[i].bytes);
	mm_own_image_clear(&p->fetched);
	mm_arena_clear(&p->arena);
	json_decref(p->report);
	json_decref(p->signings);
	free(p);
}

/* ---- files in memory */

static struct file *
add(struct package *p, const char *stem, const char *suffix)
{
	struct file *file = &p->files[p->count++];

	snprintf(file->name, sizeof(file->name), "%s%s", stem, suffix);
	mm_buffer_init(&file->bytes, TEXT_MAX);
	return file;
}

static enum mm_error
add_bytes(struct package *p, const char *stem, const char *suffix,
    struct mm_span bytes)
{
	struct file *file = add(p, stem, suffix);

	mm_buffer_init(&file->bytes, bytes.size);
	mm_buffer_add(&file->bytes, bytes.data, bytes.size);
	return file->bytes.error;
}

static enum mm_error
add_base64(struct package *p, const char *stem, const char *suffix,
    struct mm_span bytes)
{
	struct file *file = add(p, stem, suffix);
	char text[sodium_base64_ENCODED_LEN(
	    MM_SIGNATURE_MAX, sodium_base64_VARIANT_ORIGINAL)];

	if (bytes.size > MM_SIGNATURE_MAX)
		return mm_fail(MM_E_RANGE, "the signature is too long");
	sodium_bin2base64(text, sizeof(text), bytes.data, bytes.size,
	    sodium_base64_VARIANT_ORIGINAL);
	mm_buffer_add_text(&file->bytes, text);
	return file->bytes.error;
}

static enum mm_error
add_pem(struct package *p, const char *stem, const char *suffix,
    const struct mm_list *certificates)
{
	struct file *file = add(p, stem, suffix);
	enum mm_error error = MM_OK;

	for (mm_list_each(const struct mm_bytes_item, item, *certificates)) {
		if (error == MM_OK)
			error = mm_pem_encode(
			    "CERTIFICATE", item->value, &file->bytes);
	}
	return error == MM_OK ? file->bytes.error : error;
}

/* Takes the object. */
static enum mm_error
add_json(struct package *p, const char *name, json_t *object)
{
	struct file *file = add(p, name, "");
	char *text = json_dumps(object, JSON_INDENT(2));

	json_decref(object);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for %s", name);
	mm_buffer_add_text(&file->bytes, text);
	mm_buffer_add_text(&file->bytes, "\n");
	free(text);
	return file->bytes.error;
}

static const char *
last_name(const struct package *p)
{
	return p->files[p->count - 1].name;
}

/* The last file that was added goes under this key. */
static void
tell_file(const struct package *p, json_t *object, const char *key)
{
	json_object_set_new(object, key, json_string(last_name(p)));
}

/* ---- one signing */

static void
stem_of(struct mm_span signing, char out[MM_SIGNING_MAX + 1])
{
	mm_span_string(signing, out, MM_SIGNING_MAX + 1);
	for (char *c = out; *c != '\0'; c++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
			   "uvwxyz0123456789._-",
			*c) == NULL)
			*c = '-';
}

static json_t *
signing_json(const struct mm_release_signed *one, bool submitted)
{
	const struct mm_image_entry *entry = &one->attested.body.image;

	return json_pack("{s:o, s:o, s:s?, s:o, s:o, s:o, s:s}", "scheme",
	    mm_json_text(one->signing), "key", mm_json_text(entry->key),
	    "algorithm", mm_algorithm_name(one->key.algorithm), "signer",
	    mm_json_hex(mm_span(entry->signer, sizeof(entry->signer))),
	    "digest",
	    mm_json_hex(mm_span(entry->digest, sizeof(entry->digest))), "index",
	    mm_json_number(one->answer.index), "over",
	    submitted ? SUBMITTED : FIRMWARE);
}

static enum mm_error
add_certificates(struct package *p, const struct mm_release_signed *one,
    const char *stem, json_t *told)
{
	const struct mm_bytes_item own = {one->answer.certificate};
	const struct mm_list leaf = {(void *)(uintptr_t)&own, 1};
	enum mm_error error;

	if (own.value.size == 0)
		return MM_OK;
	error = add_pem(p, stem, ".crt", &leaf);
	tell_file(p, told, "certificate");
	if (error != MM_OK || one->answer.chain.count == 0)
		return error;
	error = add_pem(p, stem, ".chain.pem", &one->answer.chain);
	tell_file(p, told, "chain");
	return error;
}

static enum mm_error
add_cose(struct package *p, const struct mm_release_signed *one,
    const char *stem, json_t *told)
{
	struct file *file;
	enum mm_error error;

	if (strcmp(one->scheme->name, "cose-sign1") != 0)
		return MM_OK;
	file = add(p, stem, ".cose");
	error = mm_release_detached(one, p->image, &file->bytes);
	tell_file(p, told, "cose");
	return error;
}

/* The documents are of the first such signing: a job has one signature. */
static enum mm_error
add_ota(struct package *p, const struct mm_ota_facts *facts, json_t *told)
{
	json_t *job, *update;
	enum mm_error error;

	if (p->has_ota)
		return MM_OK;
	p->has_ota = true;
	error = mm_ota_job(facts, &job);
	if (error == MM_OK)
		error = add_json(p, "ota-job.json", job);
	if (error != MM_OK)
		return error;
	tell_file(p, told, "job");
	error = mm_ota_update(facts, &update);
	if (error == MM_OK)
		error = add_json(p, "create-ota-update.json", update);
	if (error == MM_OK)
		tell_file(p, told, "update");
	return error;
}

static enum mm_error
add_sha256_ecdsa(struct package *p, const struct mm_release_signed *one,
    const char *stem, json_t *told)
{
	const struct mm_ota_facts facts = {.invocation = p->invocation,
	    .one = one,
	    .file = mm_release_has(&p->all, false) ? SUBMITTED : FIRMWARE};
	enum mm_error error;

	if (strcmp(one->scheme->name, MM_SCHEME_DEFAULT) != 0)
		return MM_OK;
	error = add_base64(p, stem, ".sig.b64", one->answer.signature);
	tell_file(p, told, "base64");
	return error == MM_OK ? add_ota(p, &facts, told) : error;
}

static enum mm_error
add_signing(struct package *p, const struct mm_release_signed *one)
{
	char stem[MM_SIGNING_MAX + 1];
	json_t *told = signing_json(
	    one, one->scheme->detached && mm_release_has(&p->all, false));
	enum mm_error error;

	stem_of(one->signing, stem);
	json_array_append_new(p->signings, told);
	error = add_bytes(p, stem, ".sig", one->answer.signature);
	tell_file(p, told, "signature");
	if (error == MM_OK)
		error = add_bytes(p, stem, ".receipt", one->answer.receipt);
	tell_file(p, told, "receipt");
	if (error == MM_OK)
		error = add_certificates(p, one, stem, told);
	if (error == MM_OK)
		error = add_cose(p, one, stem, told);
	return error == MM_OK ? add_sha256_ecdsa(p, one, stem, told) : error;
}

/* ---- all of them */

static enum mm_error
add_firmware(struct package *p, json_t **told)
{
	struct file *file = add(p, FIRMWARE, "");
	bool both =
	    mm_release_has(&p->all, true) && mm_release_has(&p->all, false);
	uint8_t sha256[32];
	enum mm_error error =
	    mm_release_attach(&p->all, p->image, p->row->resign, &file->bytes);

	if (error == MM_OK)
		error = mm_hash(mm_buffer_span(&file->bytes), sha256);
	if (error != MM_OK)
		return error;
	*told = json_pack("{s:s, s:I, s:o}", "file", FIRMWARE, "size",
	    (json_int_t)file->bytes.size, "sha256",
	    mm_json_hex(mm_span(sha256, sizeof(sha256))));
	return both ? add_bytes(p, SUBMITTED, "", mm_own_image_bytes(p->image))
		    : MM_OK;
}

static json_t *
text_or_null(struct mm_span text)
{
	return text.size > 0 ? mm_json_text(text) : json_null();
}

static json_t *
head_json(const struct package *p, json_t *firmware)
{
	const struct mm_image_entry *entry = mm_release_entry(&p->all);

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:O}",
	    "product", mm_json_text(entry->product), "version",
	    mm_json_text(entry->version), "format", mm_json_text(entry->format),
	    "chip", text_or_null(entry->chip), "project",
	    text_or_null(entry->project), "secure_version",
	    (json_int_t)entry->secure_version, "size", (json_int_t)entry->size,
	    "sha256", mm_json_hex(mm_span(entry->sha256, 32)), "firmware",
	    firmware, "signings", p->signings);
}

static enum mm_error
gather(struct package *p)
{
	json_t *firmware = NULL;
	enum mm_error error = add_firmware(p, &firmware);

	for (size_t i = 0; i < p->all.count && error == MM_OK; i++)
		error = add_signing(p, &p->all.one[i]);
	if (error != MM_OK) {
		json_decref(firmware);
		return error;
	}
	p->report = head_json(p, firmware);
	if (p->report == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a report");
	return add_json(p, "release.json", json_incref(p->report));
}

/* ---- on the disk */

enum mm_error
mm_release_directory_check(
    const struct mm_invocation *invocation, const char *directory)
{
	static const char *const always[] = {FIRMWARE, "release.json"};
	struct stat info;
	char path[PATH_MAX];
	enum mm_error error = MM_OK;

	if (strcmp(directory, "-") == 0)
		return mm_fail(MM_E_USAGE,
		    "--out is a directory; there are too many files for "
		    "stdout");
	if (stat(directory, &info) == 0 && !S_ISDIR(info.st_mode))
		return mm_fail(
		    MM_E_FILE, "--out: %s is not a directory", directory);
	if (access(directory, F_OK) < 0 && errno == ENOENT)
		return MM_OK;
	if (access(directory, W_OK | X_OK) < 0)
		return mm_fail(MM_E_FILE, "cannot write into %s: %s", directory,
		    strerror(errno));
	for (size_t i = 0; i < MM_COUNT(always) && error == MM_OK; i++) {
		error = mm_path(path, sizeof(path), directory, always[i]);
		if (error == MM_OK)
			error = mm_output_check(invocation, path);
	}
	return error;
}

static enum mm_error
make_directory(const char *directory)
{
	if (mkdir(directory, 0755) == 0)
		return mm_path_sync(directory);
	return errno == EEXIST ? MM_OK
			       : mm_fail(MM_E_FILE, "cannot make %s: %s",
				     directory, strerror(errno));
}

static enum mm_error
each_file(struct package *p, bool write)
{
	char path[PATH_MAX];
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < p->count && error == MM_OK; i++) {
		const struct file *file = &p->files[i];

		error = mm_path(path, sizeof(path), p->directory, file->name);
		if (error == MM_OK && !write)
			error = mm_output_check(p->invocation, path);
		if (error == MM_OK && write)
			error =
			    mm_file_write(path, mm_buffer_span(&file->bytes),
				0644, p->invocation->force);
	}
	return error;
}

/* ---- the whole way */

static enum mm_error
take_image(struct package *p, const struct mm_appliance *appliance,
    struct mm_own_image *own)
{
	const char *path = mm_option(p->invocation, "image");
	mm_auto(buffer) bytes = {0};
	enum mm_error error;

	p->image = own != NULL ? own : &p->fetched;
	if (own != NULL)
		return MM_OK;
	if (path != NULL)
		return mm_own_image_open(path, &p->fetched);
	error = mm_release_kept(appliance, mm_release_entry(&p->all), &bytes);
	return error == MM_OK ? mm_own_image_take(&bytes, &p->fetched) : error;
}

static enum mm_error
fetch(struct package *p, const struct mm_appliance *appliance,
    struct mm_own_image *own)
{
	enum mm_error error =
	    mm_release_fetch_all(appliance, p->row, &p->arena, &p->all);

	if (error == MM_OK)
		error = take_image(p, appliance, own);
	if (error == MM_OK)
		error = mm_release_all_image(&p->all, p->image);
	if (error == MM_OK)
		error = gather(p);
	if (error == MM_OK)
		error = make_directory(p->directory);
	if (error == MM_OK)
		error = each_file(p, false);
	if (error == MM_OK)
		error = each_file(p, true);
	return error == MM_OK
		   ? mm_release_kept_done(appliance, mm_release_entry(&p->all))
		   : error;
}

enum mm_error
mm_release_fetch(const struct mm_invocation *invocation,
    const struct mm_appliance *appliance, const struct mm_release_row *row,
    struct mm_own_image *own, const char *directory, json_t **report)
{
	struct package *p = calloc(1, sizeof(*p));
	enum mm_error error;

	if (p == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a release");
	*p = (struct package){.invocation = invocation,
	    .row = row,
	    .directory = directory,
	    .signings = json_array()};
	mm_arena_init(&p->arena, ARENA);
	error = fetch(p, appliance, own);
	if (error == MM_OK) {
		json_object_set_new(
		    p->report, "directory", json_string(directory));
		*report = json_incref(p->report);
	}
	package_clear(p);
	return error;
}
