//! What holds of any configuration, in whichever format.

use conf::{Environment, Problem, Severity, SourceFile, compile, convert};

/// Compiled, or refused at a place in one of the files; what compiles can be
/// said in the native format, or it is told why not.
pub(crate) fn check(files: &[SourceFile]) {
    let environment = Environment::default();
    match compile(files, &environment) {
        Ok(snapshot) => {
            check_places(snapshot.warnings(), files);
            match convert(files, &environment) {
                Ok(converted) => check_converted(&converted.text, &environment),
                Err(problems) => check_places(&problems, files),
            }
        }
        Err(problems) => {
            let error = |problem: &Problem| problem.severity == Severity::Error;
            assert!(problems.iter().any(error), "refused without an error");
            check_places(&problems, files);
            assert!(convert(files, &environment).is_err());
        }
    }
}

fn check_converted(text: &str, environment: &Environment) {
    let file = SourceFile::new("converted.yaml", text);
    if let Err(problems) = compile(&[file], environment) {
        panic!("what was written does not compile: {}", told(&problems));
    }
}

fn told(problems: &[Problem]) -> String {
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    told.join("\n")
}

fn check_places(problems: &[Problem], files: &[SourceFile]) {
    for problem in problems {
        let of = files.iter().find(|file| file.name == problem.origin.file);
        // Files that are named in a configuration are places too, in `convert`.
        let Some(file) = of else {
            panic!("a problem in no file: {problem}");
        };
        let lines: Vec<_> = file.text.lines().collect();
        let (line, column) = (problem.origin.line as usize, problem.origin.column as usize);
        assert!((1..=lines.len().max(1)).contains(&line), "{problem}");
        let length = lines.get(line - 1).map_or(0, |l| l.chars().count());
        assert!(
            (1..=length + 1).contains(&column),
            "column {column}: {problem}"
        );
        assert!(!problem.message.trim().is_empty(), "{problem}");
        let shown = problem.to_string();
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!shown.contains(steers), "{shown:?}");
    }
}
