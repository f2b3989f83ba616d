//! Dates from seconds since the Epoch, in UTC ([`Civil`]).

/// A date and time of day in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Civil {
    /// From seconds since the Epoch. Years begin in March here, so that the leap day is a year's last.
    pub(crate) fn from_epoch(seconds: u64) -> Self {
        // The year 9999 is far enough; a text can hold any number.
        let seconds = seconds.min(253_402_300_799) as i64;
        let (days, in_day) = (seconds / 86_400 + 719_468, (seconds % 86_400) as u32);
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        } as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: in_day / 3600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
        }
    }

    /// The month in three letters.
    pub(crate) fn month_name(&self) -> &'static str {
        MONTHS[(self.month as usize - 1) % 12]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values from `date -u -d @N`.
    #[test]
    fn dates_are_those_of_date() {
        let show = |seconds| {
            let c = Civil::from_epoch(seconds);
            format!(
                "{}-{:02}-{:02} {:02}:{:02}:{:02}",
                c.year, c.month, c.day, c.hour, c.minute, c.second
            )
        };
        assert_eq!(show(0), "1970-01-01 00:00:00");
        assert_eq!(show(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(show(1_795_427_734), "2026-11-23 09:55:34");
        assert_eq!(show(u64::MAX), "9999-12-31 23:59:59");
        assert_eq!(Civil::from_epoch(1_795_427_734).month_name(), "Nov");
    }
}
