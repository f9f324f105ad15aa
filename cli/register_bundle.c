/*
 * What is not a list: a template, a CA's registration, a broker's files.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ca/certificate.h"
#include "cli/chain.h"
#include "cli/json_value.h"
#include "cli/register_job.h"
#include "factory/ca_file.h"

enum { ARENA = 1 << 20, FILE_MAX = 256 << 20 };

/* --- AWS --- */

static enum mm_error
read_policy(const struct mm_invocation *invocation, struct mm_register_aws *aws,
    struct mm_buffer *document)
{
	const char *path = mm_option(invocation, "document");
	enum mm_error error = MM_OK;

	aws->policy = mm_option(invocation, "policy");
	if (path == NULL)
		return MM_OK;
	error = mm_input(path, MM_REGISTER_TEMPLATE, document);
	aws->document = mm_buffer_span(document);
	if (error == MM_OK && document->size == 0)
		error = mm_fail(MM_E_FORMAT, "%s is empty", path);
	return error;
}

enum mm_error
mm_register_aws_template_file(struct mm_register_job *job)
{
	struct mm_register_aws aws = {.policy = NULL};
	mm_auto(buffer) document = {0};
	mm_auto(buffer) template = {0};
	enum mm_error error = read_policy(job->invocation, &aws, &document);

	if (job->invocation->operand_count > 1)
		return mm_fail(MM_E_USAGE, "aws-template reads no log");
	if (mm_option(job->invocation, "no-ca") == NULL)
		aws.ca = mm_span_text("-");
	mm_buffer_init(&template, 4 * MM_REGISTER_TEMPLATE);
	if (error == MM_OK)
		error = mm_register_aws_template(&aws, false, &template);
	if (error == MM_OK)
		error = mm_output(
		    job->invocation, job->out, mm_buffer_span(&template));
	if (error == MM_OK && strcmp(job->out, "-") != 0)
		json_object_set_new(job->report, "file", json_string(job->out));
	return error;
}

/* The one CA of these devices. */
static enum mm_error
only_ca(struct mm_register_job *job, struct mm_buffer *pem)
{
	size_t issuer = 0, other;

	if (!mm_register_next_issuer(job->scan, &issuer))
		return mm_fail(MM_E_NOT_FOUND,
		    "no device has a certificate yet: the log does not say "
		    "which CA it will be");
	other = issuer + 1;
	if (mm_register_next_issuer(job->scan, &other))
		return mm_fail(MM_E_USAGE,
		    "several CAs have issued to devices; say --profile");
	return mm_register_issuer(job->scan, issuer, false, pem);
}

/* AWS IoT API, GetRegistrationCode: 64 hexadecimal digits. */
static enum mm_error
check_code(const char *path, const char *name)
{
	enum { CODE = 64 };

	if (strlen(name) == CODE &&
	    strspn(name, "0123456789abcdefABCDEF") == CODE)
		return MM_OK;
	return mm_fail(MM_E_MISMATCH,
	    "%s is for \"%s\", which is no registration code of AWS: give "
	    "the certificate that `ceremony prove --code` made",
	    path, name);
}

/* What the cloud will check: the code in the name, and the CA's signature. */
static enum mm_error
check_verification(
    struct mm_register_job *job, struct mm_span ca_pem, struct mm_buffer *pem)
{
	const char *path = mm_option(job->invocation, "verification");
	mm_auto(arena) arena = {0};
	mm_auto(buffer) ca_der = {0};
	struct mm_certificate ca, certificate;
	struct mm_registration read = {.index = 0};
	struct mm_span der;
	enum mm_error error;

	if (path == NULL)
		return mm_fail(MM_E_USAGE,
		    "--verification FILE is missing: the certificate that "
		    "`ceremony prove --code` makes of `aws iot "
		    "get-registration-code`");
	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&ca_der, MM_CERTIFICATE_MAX);
	error = mm_certificate_input(path, &arena, &der, &certificate);
	if (error == MM_OK)
		error = mm_pem_decode("CERTIFICATE", ca_pem, &ca_der);
	if (error == MM_OK)
		error =
		    mm_certificate_open(mm_buffer_span(&ca_der), &arena, &ca);
	if (error == MM_OK && mm_certificate_verify(der, ca.read.spki) != MM_OK)
		error = mm_fail(
		    MM_E_MISMATCH, "%s is not signed by the devices' CA", path);
	if (error == MM_OK)
		error = mm_registration_read(der, &read);
	if (error == MM_OK)
		error = check_code(path, read.name);
	if (error == MM_OK)
		json_object_set_new(
		    job->report, "verification_code", json_string(read.name));
	return error == MM_OK ? mm_pem_encode("CERTIFICATE", der, pem) : error;
}

/* Those that are there tell whether the ones to come can be things. */
static enum mm_error
check_first_use(struct mm_register_job *job)
{
	unsigned long long good = 0, bad = 0;
	struct mm_register_row row;
	bool more = true;
	enum mm_error error, fault = MM_OK;

	for (;;) {
		error = mm_register_scan_next(
		    job->scan, MM_REGISTER_NEW | MM_REGISTER_KEPT, &row, &more);
		if (error != MM_OK || !more)
			break;
		error = mm_register_aws_first_use(&row.device);
		good += error == MM_OK;
		bad += error != MM_OK;
		fault = error != MM_OK ? error : fault;
	}
	if (error == MM_OK && bad > 0 && good == 0)
		return fault;
	if (error == MM_OK && bad > 0)
		mm_say("%llu of %llu devices cannot come by themselves: %s",
		    bad, good + bad, mm_why(fault));
	return error;
}

static enum mm_error
make_config(
    struct mm_register_job *job, const char *role, struct mm_buffer *config)
{
	struct mm_register_aws aws = {.policy = NULL};
	mm_auto(buffer) document = {0};
	mm_auto(buffer) template = {0};
	enum mm_error error = read_policy(job->invocation, &aws, &document);

	mm_buffer_init(&template, 4 * MM_REGISTER_TEMPLATE);
	if (error == MM_OK)
		error = mm_register_aws_template(&aws, true, &template);
	if (error == MM_OK)
		error = check_first_use(job);
	return error == MM_OK ? mm_register_aws_config(
				    mm_buffer_span(&template), role, config)
			      : error;
}

/* Without a role there is no configuration. */
struct ca_files {
	struct mm_buffer ca, verification, config;
};

static enum mm_error
gather_ca(struct mm_register_job *job, const char *role, struct ca_files *files)
{
	enum mm_error error = only_ca(job, &files->ca);

	if (error == MM_OK)
		error = check_verification(
		    job, mm_buffer_span(&files->ca), &files->verification);
	return error == MM_OK && role != NULL
		   ? make_config(job, role, &files->config)
		   : error;
}

static enum mm_error
write_ca(struct mm_register_job *job, const struct ca_files *files)
{
	static const char *const names[] = {"ca.pem", "verification.pem",
	    "commands.txt", "registration-config.json"};
	bool config = files->config.size > 0;
	static const char base[] =
	    "aws iot register-ca-certificate --ca-certificate file://ca.pem "
	    "\\\n"
	    "    --verification-certificate file://verification.pem \\\n"
	    "    --set-as-active --allow-auto-registration";
	char commands[512];
	enum mm_error error =
	    mm_register_directory(job, names, MM_COUNT(names) - !config);

	if (error == MM_OK && config)
		error = mm_register_file(job, "registration-config.json",
		    mm_buffer_span(&files->config));
	if (error == MM_OK)
		error =
		    mm_register_file(job, "ca.pem", mm_buffer_span(&files->ca));
	if (error == MM_OK)
		error = mm_register_file(job, "verification.pem",
		    mm_buffer_span(&files->verification));
	snprintf(commands, sizeof(commands), "%s%s\n", base,
	    config ? " \\\n    --registration-config "
		     "file://registration-config.json"
		   : "");
	return error == MM_OK ? mm_register_file(
				    job, "commands.txt", mm_span_text(commands))
			      : error;
}

enum mm_error
mm_register_aws_ca(struct mm_register_job *job)
{
	const char *role = mm_option(job->invocation, "role");
	struct ca_files files;
	enum mm_error error;

	if (role == NULL && (mm_option(job->invocation, "policy") != NULL ||
				mm_option(job->invocation, "document") != NULL))
		return mm_fail(MM_E_USAGE,
		    "a policy goes with --role: without it devices that come "
		    "by themselves wait for somebody to let them in");
	mm_buffer_init(&files.ca, MM_REGISTER_PEM);
	mm_buffer_init(&files.verification, MM_REGISTER_PEM);
	mm_buffer_init(&files.config, 16 * MM_REGISTER_TEMPLATE);
	error = mm_register_open(job);
	if (error == MM_OK)
		error = gather_ca(job, role, &files);
	if (error == MM_OK)
		error = write_ca(job, &files);
	if (error == MM_OK)
		json_object_set_new(
		    job->report, "directory", json_string(job->out));
	mm_buffer_clear(&files.ca);
	mm_buffer_clear(&files.verification);
	mm_buffer_clear(&files.config);
	return error;
}

/* --- mosquitto --- */

struct broker {
	struct mm_register_job *job;
	struct mm_buffer ca, crl, conf, acl;
	char address[256], place[PATH_MAX];
	struct mm_register_mosquitto conf_of;
};

/* ADDRESS:PORT, an IPv6 address in brackets. */
static enum mm_error
read_listen(struct broker *b)
{
	const char *said = mm_option(b->job->invocation, "listen"), *colon;
	char *end;
	unsigned long port;
	size_t length;

	if (said == NULL)
		said = "0.0.0.0:8883";
	colon = strrchr(said, ':');
	port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
	if (colon == NULL || colon == said || colon[1] < '0' ||
	    colon[1] > '9' || *end != '\0' || port == 0 || port > 65535 ||
	    (size_t)(colon - said) >= sizeof(b->address))
		return mm_fail(MM_E_USAGE,
		    "--listen is ADDRESS:PORT, like 0.0.0.0:8883, not \"%s\"",
		    said);
	length = (size_t)(colon - said);
	if (said[0] == '[' && colon[-1] == ']') {
		said++;
		length -= 2;
	}
	snprintf(b->address, sizeof(b->address), "%.*s", (int)length, said);
	b->conf_of.address = b->address;
	b->conf_of.port = (unsigned)port;
	return MM_OK;
}

static enum mm_error
read_place(struct broker *b)
{
	const char *said = mm_option(b->job->invocation, "place");

	b->conf_of.place = b->place;
	if (said != NULL)
		return snprintf(b->place, sizeof(b->place), "%s", said) <
			       PATH_MAX
			   ? MM_OK
			   : mm_fail(
				 MM_E_FILE, "the path %s is too long", said);
	return realpath(b->job->out, b->place) != NULL
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "cannot find %s", b->job->out);
}

static enum mm_error
bring_cas(struct broker *b, const char *path)
{
	mm_auto(buffer) file = {0};
	enum mm_error error;

	mm_buffer_init(&file, MM_REGISTER_PEM);
	error = mm_input(path, MM_REGISTER_PEM, &file);
	if (error != MM_OK)
		return error;
	error = mm_ca_file_read(mm_buffer_span(&file), &b->ca);
	for (size_t i = 0;
	     error == MM_OK && mm_register_next_issuer(b->job->scan, &i); i++)
		error = mm_register_reaches(
		    b->job->scan, i, mm_buffer_span(&b->ca));
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

/* Believed is what is signed by a root that is in the file. */
static enum mm_error
gather_cas(struct broker *b)
{
	const char *path = mm_option(b->job->invocation, "ca");
	enum mm_error error = MM_OK;

	if (path != NULL)
		return bring_cas(b, path);
	for (size_t i = 0;
	     error == MM_OK && mm_register_next_issuer(b->job->scan, &i); i++)
		error = mm_register_issuer(b->job->scan, i, true, &b->ca);
	if (error == MM_OK && b->ca.size == 0)
		error = mm_fail(MM_E_NOT_FOUND,
		    "no device has a certificate: there is nobody to let in");
	return error;
}

/* Of every CA or of none; and whoever is revoked is in it. */
static enum mm_error
gather_crls(struct broker *b)
{
	uint64_t without = 0, with = 0;

	for (size_t i = 0; mm_register_next_issuer(b->job->scan, &i); i++) {
		uint64_t missing;
		enum mm_error error =
		    mm_register_crl(b->job->scan, i, &b->crl, &missing);

		if (error != MM_OK && error != MM_E_NOT_FOUND)
			return error;
		with += error == MM_OK;
		without += error != MM_OK;
		if (missing > 0)
			return mm_fail(MM_E_NOT_FOUND,
			    "the log's newest CRL does not have %llu devices "
			    "that are revoked: they would get in. A CRL comes "
			    "a minute after the one before, where the CA's "
			    "profile says `crl`",
			    (unsigned long long)missing);
	}
	if (with > 0 && without > 0)
		return mm_fail(MM_E_NOT_FOUND,
		    "one CA has a CRL and another has none, whose devices "
		    "would not get in; say --profile");
	b->conf_of.crl = with > 0;
	if (with == 0)
		mm_say("the log has no CRL yet, so that mosquitto.conf names "
		       "none: make these files anew, all of them, when a "
		       "device is revoked");
	return MM_OK;
}

static enum mm_error
gather_acl(struct broker *b)
{
	const char *topic = mm_option(b->job->invocation, "topic");
	struct mm_register_row row;
	bool more = true;
	enum mm_error error = MM_OK;

	if (topic == NULL)
		topic = "devices/{device}/#";
	mm_register_comment(b->job, &b->acl);
	while (error == MM_OK && more) {
		error = mm_register_scan_next(b->job->scan,
		    MM_REGISTER_NEW | MM_REGISTER_KEPT, &row, &more);
		if (error != MM_OK || !more)
			break;
		error = mm_register_mosquitto_acl(topic, &row.device, &b->acl);
		b->job->devices++;
		b->job->fresh += row.change == MM_REGISTER_NEW;
	}
	return error;
}

static enum mm_error
write_broker(struct broker *b, const char *range)
{
	const struct mm_register_list none = {.path = NULL};
	struct mm_growing_file file = {.out = NULL};
	struct mm_register_job *job = b->job;
	enum mm_error error =
	    mm_register_file(job, "ca.pem", mm_buffer_span(&b->ca));

	if (error == MM_OK && b->conf_of.crl)
		error =
		    mm_register_file(job, "crl.pem", mm_buffer_span(&b->crl));
	if (error == MM_OK)
		error = mm_register_file(job, "acl", mm_buffer_span(&b->acl));
	if (error == MM_OK)
		error = mm_register_file(
		    job, "mosquitto.conf", mm_buffer_span(&b->conf));
	if (error == MM_OK)
		error = mm_register_range(job, &none, range, &file);
	if (error == MM_OK)
		error = mm_growing_file_commit(&file, job->invocation->force);
	mm_growing_file_clear(&file);
	return error;
}

static enum mm_error
make_broker(struct broker *b)
{
	static const char *const names[] = {
	    "ca.pem", "crl.pem", "acl", "mosquitto.conf", "range.json"};
	struct mm_register_job *job = b->job;
	char range[PATH_MAX];
	enum mm_error error = read_listen(b);

	if (error == MM_OK)
		error = mm_register_open(job);
	if (error == MM_OK)
		error = gather_cas(b);
	if (error == MM_OK)
		error = gather_crls(b);
	if (error == MM_OK)
		error = gather_acl(b);
	if (error == MM_OK)
		error = mm_register_directory(job, names, MM_COUNT(names));
	if (error == MM_OK)
		error = read_place(b);
	if (error == MM_OK)
		error = mm_path(range, sizeof(range), job->out, "range.json");
	if (error != MM_OK)
		return error;
	mm_register_comment(job, &b->conf);
	error = mm_register_mosquitto_conf(&b->conf_of, &b->conf);
	if (error == MM_OK)
		error = write_broker(b, range);
	if (error == MM_OK)
		json_object_update_new(job->report,
		    json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I}",
			"directory", job->out, "range", range, "crl",
			b->conf_of.crl, "since", (json_int_t)job->choice.since,
			"to",
			(json_int_t)mm_source_checkpoint(job->source)->size,
			"new", (json_int_t)job->fresh, "gone",
			(json_int_t)job->gone, "devices",
			(json_int_t)job->devices));
	return error;
}

enum mm_error
mm_register_mosquitto_files(struct mm_register_job *job)
{
	struct broker b = {.job = job};
	enum mm_error error;

	mm_buffer_init(&b.ca, MM_REGISTER_PEM);
	mm_buffer_init(&b.crl, FILE_MAX);
	mm_buffer_init(&b.conf, 65536);
	mm_buffer_init(&b.acl, FILE_MAX);
	error = make_broker(&b);
	mm_buffer_clear(&b.ca);
	mm_buffer_clear(&b.crl);
	mm_buffer_clear(&b.conf);
	mm_buffer_clear(&b.acl);
	return error;
}
