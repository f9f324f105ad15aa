/*
 * The otadata partition (ESP-IDF esp_flash_partitions.h): two sectors with a
 * record each, of which the valid one with the higher sequence number says
 * from which OTA slot to boot. Where neither is valid, the bootloader takes
 * the factory app, or else ota_0.
 */
#ifndef MM_FACTORY_OTADATA_H
#define MM_FACTORY_OTADATA_H

#include "protocol/bytes.h"

enum {
	MM_OTADATA_SIZE = 0x2000,
	MM_OTADATA_SLOTS_MAX = 16,
	MM_OTADATA_BLANK = -1 /* no record: factory, or else ota_0 */
};

/*
 * A partition whose first record boots `slot`, 0 to MM_OTADATA_SLOTS_MAX - 1,
 * as an app that needs no confirming (state "undefined", as esptool-flashed
 * ones have it); or a blank one.
 */
void mm_otadata_make(int slot, uint8_t out[MM_OTADATA_SIZE]);

#endif
