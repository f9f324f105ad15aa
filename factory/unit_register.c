/*
 * A unit's rows for a cloud or a broker.
 */
#include <stdio.h>
#include <string.h>

#include "ca/certificate.h"
#include "factory/unit_parts.h"
#include "protocol/message.h"
#include "protocol/shape.h"

typedef enum mm_error
row(const struct mm_production *p, const struct mm_registration *device,
    struct mm_span ca, struct mm_buffer *out);

static enum mm_error
no_row(const struct mm_production *p, const struct mm_registration *device,
    struct mm_span ca, struct mm_buffer *out)
{
	(void)p;
	(void)device;
	(void)ca;
	return out->error;
}

static enum mm_error
aws_row(const struct mm_production *p, const struct mm_registration *device,
    struct mm_span ca, struct mm_buffer *out)
{
	const struct mm_register_aws aws = {
	    .ca = p->register_ca ? ca : p->register_ca_file};

	if (p->register_ca && ca.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "the certificate came without its CA's, as a root's own "
		    "do: say root = FILE outside of sections, or ca = FILE or "
		    "ca = no here");
	return mm_register_aws_row(&aws, device, out);
}

/* A request a unit: one that fails takes no other one with it. */
static enum mm_error
azure_row(const struct mm_production *p, const struct mm_registration *device,
    struct mm_span ca, struct mm_buffer *out)
{
	struct mm_register_azure azure = {.waiting = NULL};
	enum mm_error error;

	(void)ca;
	if (p->register_csv)
		return mm_register_azure_csv(device, false, out);
	error = mm_register_azure_add(&azure, device, false, out);
	if (error == MM_OK)
		error = mm_register_azure_end(&azure, out);
	mm_register_azure_clear(&azure);
	return error;
}

static enum mm_error
mosquitto_row(const struct mm_production *p,
    const struct mm_registration *device, struct mm_span ca,
    struct mm_buffer *out)
{
	(void)ca;
	return mm_register_mosquitto_acl(p->register_topic, device, out);
}

enum mm_error
mm_unit_register_row(const struct mm_production *p,
    const struct mm_registration *device, struct mm_span ca,
    struct mm_buffer *out)
{
	static row *const rows[] = {[MM_REGISTER_NONE] = no_row,
	    [MM_REGISTER_AWS_BULK] = aws_row,
	    [MM_REGISTER_AZURE_DPS] = azure_row,
	    [MM_REGISTER_MOSQUITTO] = mosquitto_row};
	enum mm_error error = rows[p->registers](p, device, ca, out);

	return mm_production_in_line(p, p->register_line, error);
}

/* PEM of the issuer, where it is known. */
static enum mm_error
issuer_pem(const struct mm_unit *unit, const struct mm_list *chain,
    struct mm_buffer *out)
{
	struct mm_span der =
	    chain->count > 0
		? mm_list_at(*chain, struct mm_bytes_item, 0)->value
		: unit->production->root;

	return der.size > 0 ? mm_pem_encode("CERTIFICATE", der, out) : MM_OK;
}

enum mm_error
mm_unit_make_row(struct mm_unit *unit, const struct mm_list *chain)
{
	mm_auto(buffer) ca = {0};
	enum mm_error error;

	mm_buffer_init(&ca, 2 * MM_CERTIFICATE_MAX);
	error = issuer_pem(unit, chain, &ca);
	return error == MM_OK
		   ? mm_unit_register_row(unit->production, &unit->registration,
			 mm_buffer_span(&ca), &unit->row)
		   : error;
}

enum mm_error
mm_unit_registration(const struct mm_unit *unit, struct mm_buffer *out)
{
	if (!unit->finished)
		return mm_fail(MM_E_BUG, "the unit has no certificate yet");
	mm_buffer_add(out, unit->row.data, unit->row.size);
	return out->error;
}
