/*
 * Days and the calendar's dates: the Gregorian one, for all times, as the server has it. Year 0 is 1 BC.
 * Shared by date and the timestamps, whose binary forms count from 2000-01-01.
 */

const daysOf400Years = 146_097
const daysOf100Years = 36_524
const daysOf4Years = 1_461
const daysOfYear = 365
/** From 0000-03-01, so that a leap day is the last of its year, to 2000-01-01. */
const daysBeforeEpoch = 730_425

/** A day as text ("0044-03-15"), and whether it is before Christ, which the server says behind the time of day. */
export interface CalendarDay {
  readonly text: string
  readonly beforeChrist: boolean
}

/** The date that is so many days after 2000-01-01. */
export function calendarDay(days: number): CalendarDay {
  const sinceMarch = days + daysBeforeEpoch
  const cycle = Math.floor(sinceMarch / daysOf400Years)
  let rest = sinceMarch - cycle * daysOf400Years
  // the last century of four, and the last year of four, are a day longer
  const century = Math.min(3, Math.floor(rest / daysOf100Years))
  rest -= century * daysOf100Years
  const quad = Math.floor(rest / daysOf4Years)
  rest -= quad * daysOf4Years
  const yearOfQuad = Math.min(3, Math.floor(rest / daysOfYear))
  rest -= yearOfQuad * daysOfYear
  // months from March: 31 30 31 30 31, twice and a half
  const month = Math.floor((5 * rest + 2) / 153)
  const day = rest - Math.floor((153 * month + 2) / 5) + 1
  const year = 400 * cycle + 100 * century + 4 * quad + yearOfQuad + (month >= 10 ? 1 : 0)
  const beforeChrist = year <= 0
  const yearText = `${beforeChrist ? 1 - year : year}`.padStart(4, '0')
  return { text: `${yearText}-${twoDigits(month >= 10 ? month - 9 : month + 3)}-${twoDigits(day)}`, beforeChrist }
}

/** A number below 100. */
export function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}

const dateText = /^(\d{4,})-(\d\d)-(\d\d)$/

/** The inverse of {@link calendarDay}: undefined where it is no date. */
export function daysOfDate(text: string, beforeChrist: boolean): number | undefined {
  const [matched, yearText, monthText, dayText] = dateText.exec(text) ?? []
  if (matched === undefined) return undefined
  const monthOfYear = Number(monthText)
  const day = Number(dayText)
  if (monthOfYear < 1 || monthOfYear > 12 || day < 1 || day > 31) return undefined
  const year = (beforeChrist ? 1 - Number(yearText) : Number(yearText)) - (monthOfYear <= 2 ? 1 : 0)
  const month = monthOfYear <= 2 ? monthOfYear + 9 : monthOfYear - 3
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400)
  const days = daysOfYear * year + leapDays + Math.floor((153 * month + 2) / 5) + day - 1 - daysBeforeEpoch
  return calendarDay(days).text === text ? days : undefined
}
