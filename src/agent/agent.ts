/**
 * One per hypervisor: makes the host agree with the coordinator's wanted set, and says what is there.
 *
 * Everything that happens is a message in one inbox; one loop drains it, decides by `reconcile`, acts and reports.
 * What takes time runs beside the loop and ends as a message. Without a coordinator the agent keeps what it has:
 * machines are pinged, creations finish, nothing new is destroyed.
 *
 *   start: allegiance, records, driver.list, driver.running ─► in control, nothing reaped yet
 *   welcome + first wanted set ─► reconcile at each turn, scan for strays every SCAN_EVERY_MS
 */
import { type FromCoordinator, REPORT_EVERY_MS } from '../api/server.ts'
