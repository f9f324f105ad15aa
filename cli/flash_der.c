/*
 * mintmark flash der: certificates and a private key as the AWS reference
 * integration's NVS table wants them, in DER; and with --pem such files back
 * as PEM.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/values.h"
#include "factory/private_key.h"

/* What was asked for, decoded before a file is written. */
struct flash {
	const struct mm_invocation *invocation;
	struct mm_buffer certificate, csk;
	struct mm_flash_secret key;
};

static bool
is_back(const struct mm_invocation *invocation)
{
	return mm_option(invocation, "pem") != NULL;
}

static enum mm_error
read_certificate(const struct mm_invocation *invocation, const char *name,
    struct mm_buffer *out)
{
	const char *path = mm_option(invocation, name);
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(out, 2 * MM_FLASH_PEM_MAX);
	mm_buffer_init(&file, MM_FLASH_PEM_MAX);
	if (path == NULL)
		return MM_OK;
	error = mm_input(path, MM_FLASH_PEM_MAX, &file);
	if (error != MM_OK)
		return error;
	error = is_back(invocation)
		    ? mm_certificate_pem(mm_buffer_span(&file), out)
		    : mm_flash_certificate(mm_buffer_span(&file), out);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

static enum mm_error
read_key(const struct mm_invocation *invocation, struct mm_flash_secret *out)
{
	const char *path = mm_option(invocation, "key");
	mm_auto(flash_secret) file = {0};
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = mm_flash_secret_read(path, &file);
	if (error != MM_OK)
		return error;
	error = is_back(invocation) ? mm_private_key_pem(&file, out)
				    : mm_flash_private_key(&file, out);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

/* Of a certificate and a key together each belongs to the other. */
static enum mm_error
check_match(const struct flash *flash)
{
	mm_auto(private_key) key = {.name = NULL};
	mm_auto(buffer) der = {0};
	enum mm_error error;

	if (flash->certificate.size == 0 || flash->key.size == 0)
		return MM_OK;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_private_key_read(&flash->key, &key);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s",
		    mm_option(flash->invocation, "key"), mm_why(error));
	error = mm_certificate_first(
	    mm_buffer_span(&flash->certificate), &der, NULL);
	if (error == MM_OK)
		error = mm_private_key_matches(&key, mm_buffer_span(&der));
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s",
				    mm_option(flash->invocation, "certificate"),
				    mm_why(error));
}

static enum mm_error
read_all(struct flash *flash)
{
	enum mm_error error = read_certificate(
	    flash->invocation, "certificate", &flash->certificate);

	if (error == MM_OK)
		error = read_certificate(flash->invocation, "csk", &flash->csk);
	if (error == MM_OK)
		error = read_key(flash->invocation, &flash->key);
	return error == MM_OK ? check_match(flash) : error;
}

/* A file to write; without bytes there is none. */
struct part {
	const char *name, *back; /* in the directory: as DER, as PEM */
	const char *key;         /* in the report */
	struct mm_span bytes;
	unsigned mode;
	char path[PATH_MAX];
};

static enum mm_error
check_part(const struct mm_invocation *invocation, struct part *part)
{
	enum mm_error error = mm_path(part->path, sizeof(part->path),
	    mm_option(invocation, "out"),
	    is_back(invocation) ? part->back : part->name);

	return error == MM_OK && part->bytes.size > 0
		   ? mm_output_check(invocation, part->path)
		   : error;
}

static enum mm_error
write_part(const struct mm_invocation *invocation, const struct part *part,
    json_t *report)
{
	enum mm_error error = MM_OK;

	if (part->bytes.size > 0)
		error = mm_file_write(
		    part->path, part->bytes, part->mode, invocation->force);
	json_object_set_new(report, part->key,
	    part->bytes.size > 0 ? json_string(part->path) : json_null());
	return error;
}

static enum mm_error
make_directory(const struct mm_invocation *invocation)
{
	const char *directory = mm_option(invocation, "out");

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return mm_fail(MM_E_FILE, "cannot make %s: %s", directory,
		    strerror(errno));
	return MM_OK;
}

static enum mm_error
write_all(const struct flash *flash, json_t *report)
{
	struct part parts[] = {
	    {.name = "cert.der",
		.back = "cert.pem",
		.key = "certificate",
		.bytes = mm_buffer_span(&flash->certificate),
		.mode = 0644},
	    {.name = "privatekey.der",
		.back = "privatekey.pem",
		.key = "key",
		.bytes = mm_span(flash->key.data, flash->key.size),
		.mode = 0600},
	    {.name = "csk.der",
		.back = "csk.pem",
		.key = "csk",
		.bytes = mm_buffer_span(&flash->csk),
		.mode = 0644},
	};
	enum mm_error error = make_directory(flash->invocation);

	for (size_t i = 0; i < MM_COUNT(parts) && error == MM_OK; i++)
		error = check_part(flash->invocation, &parts[i]);
	for (size_t i = 0; i < MM_COUNT(parts) && error == MM_OK; i++)
		error = write_part(flash->invocation, &parts[i], report);
	return error;
}

static enum mm_error
convert(struct flash *flash)
{
	enum mm_error error = read_all(flash);
	json_t *report = json_object();

	if (error == MM_OK)
		error = write_all(flash, report);
	if (error == MM_OK)
		mm_print(flash->invocation, report);
	else
		json_decref(report);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	static const char *const any[] = {"certificate", "key", "csk"};
	struct flash flash = {.invocation = invocation};
	enum mm_error error;

	if (mm_values_said(invocation, any, MM_COUNT(any)) == 0)
		return mm_fail(MM_E_USAGE, "say --certificate, --key or --csk");
	error = convert(&flash);
	mm_buffer_clear(&flash.certificate);
	mm_buffer_clear(&flash.csk);
	mm_flash_secret_clear(&flash.key);
	return error;
}

static const struct mm_cli_option options[] = {
    {"certificate", "FILE", "the device's certificate: cert.der", false},
    {"key", "FILE", "its private key: privatekey.der, mode 0600", false},
    {"csk", "FILE", "the code-signing certificate: csk.der", false},
    {"pem", NULL, "the way back: of DER cert.pem, privatekey.pem, csk.pem",
	false},
    {"out", "DIR", "where the files go", true},
};

const struct mm_command mm_flash_der_command = {
    .noun = "flash",
    .verb = "der",
    .operands = "",
    .summary = "certificates and a key in DER, for a device's NVS; or back",
    .results = "certificate, key, csk (paths, or null)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
