/*
 * The factory: what is flashed onto a device and shipped with it. The room
 * turns certificates, keys and values into the files that go into a device,
 * onto its label and into the cloud. It is pure: bytes in, bytes out, one
 * device after the other; errors name the file and line, and what to do.
 * Commands (cli/flash_*.c) read and write the files. Private keys lie in
 * sodium memory alone.
 *
 *   der.h                PEM to DER, and private keys as they are
 *   private_key.h        a device's key in the forms that partitions hold
 *   csv.h                CSV as factories have it, a row a device
 *   nvs.h                NVS partitions and their keys
 *   secure_cert_write.h  esp_secure_cert partitions; cust_flash.h the older
 *   digital_signature.h  keys for the Digital Signature peripheral
 *   otadata.h            the partition that says what boots
 *   flash_encryption.h   flash as the chip keeps it
 *   chip_locks.h         what each chip is locked with
 *   plan.h               the command lines that flash and lock a device
 *   register.h           lists for clouds and brokers
 *   label.h              labels
 *   production.h         the template of an order's units
 *   unit.h               one unit of it: values, key, CSR, all its files
 *   unit_key.h           a unit's key, made here, and its request
 *   unit_images.h        a unit's partition images
 *   mintmark_station.py  for scripts in Python: certificates for devices
 */
#ifndef MM_FACTORY_FACTORY_H
#define MM_FACTORY_FACTORY_H

/* A directory, like this text; it declares nothing. */

#endif
