/*
 * Lists of devices for those who let them in: AWS IoT, Azure DPS and an MQTT
 * broker (mosquitto). A row a device, appended to a buffer; what a cloud would
 * refuse is refused here, with the device's name.
 *
 * Which devices are new, changed or gone is the caller's to find out: see
 * cli/register_scan.h.
 *
 * Files: register.c what is common; register_aws.c, register_azure.c and
 * register_mosquitto.c.
 */
#ifndef MM_FACTORY_REGISTER_H
#define MM_FACTORY_REGISTER_H

#include <jansson.h>

#include "protocol/bytes.h"

enum {
	MM_REGISTER_NAME = 129,      /* of a text with its NUL */
	MM_REGISTER_TEMPLATE = 10240 /* AWS: templateBody */
};

/* A device with a certificate. */
struct mm_registration {
	uint64_t index;                /* of the certificate's entry */
	char device[MM_REGISTER_NAME]; /* as the log names it */
	char name[MM_REGISTER_NAME];   /* the subject's common name */
	char serial[41];               /* of the certificate, hexadecimal */
	char sha256[65];               /* of its DER: AWS's certificate id */
	struct mm_span certificate;    /* DER */
	bool known;                    /* registered before, with another one */
};

/* Fills name, serial, sha256 and certificate from the DER, which must outlive
 * it; the rest stays. MM_E_CERTIFICATE. */
enum mm_error mm_registration_read(
    struct mm_span certificate, struct mm_registration *out) mm_must_use;

/* The name and serial alone, from a TBSCertificate. MM_E_CERTIFICATE. */
enum mm_error mm_registration_read_tbs(
    struct mm_span tbs, struct mm_registration *out) mm_must_use;

/* Appends an object in one line, and takes it. MM_E_MEMORY. */
enum mm_error
mm_register_json(json_t *object, struct mm_buffer *out) mm_must_use;

/* --- AWS IoT --- */

/*
 * The policy that a certificate gets: one that is there, by its name, or a
 * document (JSON). One of the two.
 */
struct mm_register_aws {
	const char *policy;
	struct mm_span document;
	/* PEM of the CA; empty: certificates are registered without one
	 * (CertificateMode SNI_ONLY). */
	struct mm_span ca;
};

/* A line for StartThingRegistrationTask: ThingName, SerialNumber,
 * CertificatePem, CACertificatePem. MM_E_FORMAT: no name for a thing. */
enum mm_error mm_register_aws_row(const struct mm_register_aws *aws,
    const struct mm_registration *device, struct mm_buffer *out) mm_must_use;

/*
 * The provisioning template that takes such lines, or, `first_use`, the one
 * for devices that come by themselves (JITP), which takes what AWS finds in
 * the certificate. MM_E_USAGE; MM_E_FORMAT where the document is no JSON
 * object; MM_E_RANGE over MM_REGISTER_TEMPLATE bytes.
 */
enum mm_error mm_register_aws_template(const struct mm_register_aws *aws,
    bool first_use, struct mm_buffer *out) mm_must_use;

/* Whether a device that comes by itself can be a thing: by its common name.
 * MM_E_FORMAT. */
enum mm_error
mm_register_aws_first_use(const struct mm_registration *device) mm_must_use;

/* What `register-ca-certificate` takes as --registration-config: a template
 * and a role. */
enum mm_error mm_register_aws_config(struct mm_span template, const char *role,
    struct mm_buffer *out) mm_must_use;

/* --- Azure DPS --- */

enum { MM_REGISTER_BULK = 10 }; /* enrollments of a bulk operation */

/* Individual enrollments as requests of "run bulk operation", a line each. */
struct mm_register_azure {
	const char *mode; /* of those that wait: "create", "update", "delete" */
	json_t *waiting;
};
/* Adds one; a request that is full, or of another mode, is appended before.
 * MM_E_FORMAT: no registration id. */
enum mm_error mm_register_azure_add(struct mm_register_azure *azure,
    const struct mm_registration *device, bool gone,
    struct mm_buffer *out) mm_must_use;
/* Appends what waits, and clears it. */
enum mm_error mm_register_azure_end(
    struct mm_register_azure *azure, struct mm_buffer *out) mm_must_use;
void mm_register_azure_clear(struct mm_register_azure *azure);

/* The same as CSV: operation, registrationId, deviceId, certificate (base64 of
 * the DER; empty for "delete"). */
#define MM_REGISTER_AZURE_HEAD \
	"operation,registrationId,deviceId,certificate\r\n"
enum mm_error mm_register_azure_csv(const struct mm_registration *device,
    bool gone, struct mm_buffer *out) mm_must_use;

/* --- mosquitto --- */

struct mm_register_mosquitto {
	const char *address;
	unsigned port;
	const char *place; /* the files' directory on the broker's computer */
	bool crl;          /* there is one */
};
/* The listener: mosquitto.conf(5). MM_E_FORMAT: a place that a line of it
 * cannot say. */
enum mm_error
mm_register_mosquitto_conf(const struct mm_register_mosquitto *broker,
    struct mm_buffer *out) mm_must_use;
/* A topic has {device} or {name}: else each device could read and write what is
 * every other one's. MM_E_USAGE. */
enum mm_error mm_register_mosquitto_topic(const char *topic) mm_must_use;
/* A device's part of the ACL file; `topic` is a template with {device} or
 * {name}. MM_E_FORMAT; MM_E_USAGE. */
enum mm_error mm_register_mosquitto_acl(const char *topic,
    const struct mm_registration *device, struct mm_buffer *out) mm_must_use;

#endif
