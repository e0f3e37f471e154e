//! The command line.

use clap::{Parser, Subcommand};

use crate::gateways::{self, BarePlace, Gateway};
use crate::origin;
use crate::scenarios::{self, Scenario};
use crate::soak::Soak;
use crate::trouble::Trouble;

/// The same work through several gateways, side by side, one worker each.
#[derive(Debug, Parser)]
#[command(name = "load-tests")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// What is to be measured.
#[derive(clap::Args, Debug)]
pub(crate) struct Asked {
    /// Scenarios, by name or by the beginning of their names; `all`; none: the main ones
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Gateways, by name; none: all
    #[arg(long, value_delimiter = ',')]
    gateways: Vec<String>,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long each load lasts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Requests a second where the rate is fixed
    #[arg(long, default_value_t = 4000.0)]
    pub(crate) rate: f64,
    /// Only say which scenarios and gateways there are
    #[arg(long)]
    pub(crate) list: bool,
}

/// What else this program does; some of it for itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Millions of requests of every kind through Egret: what it holds stays the same
    Soak(Soak),
    /// The external host that gateways lead to
    #[command(hide = true)]
    Origin(origin::Place),
    /// A proxy on Pingora without policy or log
    #[command(hide = true)]
    BarePingora(BarePlace),
}

impl Asked {
    pub(crate) fn scenarios(&self) -> Result<Vec<&'static dyn Scenario>, Trouble> {
        let all: Vec<_> = scenarios::ALL.iter().copied().flatten().copied().collect();
        if words(&self.scenarios).next().is_none() {
            return Ok(all.into_iter().filter(|one| one.is_main()).collect());
        }
        let mut chosen: Vec<&'static dyn Scenario> = Vec::new();
        for word in words(&self.scenarios) {
            let exact = all.iter().any(|one| one.name() == word);
            let before = chosen.len();
            chosen.extend(all.iter().filter(|one| {
                let meant = if exact {
                    one.name() == word
                } else {
                    one.name().starts_with(word)
                };
                meant || word == "all"
            }));
            if chosen.len() == before {
                let names: Vec<_> = all.iter().map(|one| one.name()).collect();
                return Err(unknown("scenario", word, &names));
            }
        }
        let mut seen = Vec::new();
        chosen.retain(|one| {
            let again = seen.contains(&one.name());
            seen.push(one.name());
            !again
        });
        Ok(chosen)
    }

    pub(crate) fn gateways(&self) -> Result<Vec<&'static dyn Gateway>, Trouble> {
        let names: Vec<_> = gateways::ALL.iter().map(|one| one.name()).collect();
        let wanted: Vec<_> = words(&self.gateways).collect();
        if let Some(word) = wanted.iter().find(|word| !names.contains(word)) {
            return Err(unknown("gateway", word, &names));
        }
        let all = gateways::ALL.into_iter();
        Ok(all
            .filter(|one| wanted.is_empty() || wanted.contains(&one.name()))
            .collect())
    }
}

/// Words, divided by commas or spaces.
fn words(given: &[String]) -> impl Iterator<Item = &str> {
    given.iter().flat_map(|words| words.split_whitespace())
}

fn unknown(what: &str, word: &str, names: &[&str]) -> Trouble {
    let names = names.join(", ");
    Trouble::Usage(format!("no {what} is called `{word}`: there are {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        let all = ["load-tests"].iter().chain(arguments);
        Arguments::try_parse_from(all).unwrap().asked
    }

    fn names(asked: &Asked) -> Vec<&'static str> {
        let chosen = asked.scenarios().unwrap();
        chosen.iter().map(|one| one.name()).collect()
    }

    #[test]
    fn none_means_the_main_scenarios_and_every_gateway() {
        let asked = asked(&["--scenarios", "", "--gateways", ""]);
        let chosen = names(&asked);
        assert!(
            chosen.contains(&"h1-1k") && !chosen.contains(&"scale-10000"),
            "{chosen:?}"
        );
        assert_eq!(asked.gateways().unwrap().len(), gateways::ALL.len());
    }

    #[test]
    fn chooses_by_beginnings_and_names() {
        let twice = names(&asked(&["--scenarios", "scale-1000 scale-1000 scale-10"]));
        assert_eq!(twice, ["scale-1000", "scale-10"]);
        let asked = asked(&["--scenarios", "h1-1k scale", "--gateways", "egret,envoy"]);
        assert_eq!(
            names(&asked),
            ["h1-1k", "scale-10", "scale-1000", "scale-10000"]
        );
        let gateways = asked.gateways().unwrap();
        let gateways: Vec<_> = gateways.iter().map(|one| one.name()).collect();
        assert_eq!(gateways, ["envoy", "egret"]);
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let trouble = asked(&["--gateways", "apache"]).gateways().unwrap_err();
        let text = trouble.to_string();
        assert!(
            text.contains("`apache`") && text.contains("haproxy"),
            "{text}"
        );
        assert!(asked(&["--scenarios", "x"]).scenarios().is_err());
    }

    #[test]
    fn every_name_is_its_own() {
        let all = names(&asked(&["--scenarios", "all"]));
        let mut unique = all.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
    }
}
