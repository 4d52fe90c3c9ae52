//! What the URL of a PostgreSQL database says: which database it is, as people and files may name
//! it, and whether a secret is in it. Passwords are in files; a URL is repeated in messages, logs and
//! the files of migrations.

use url::Url;

/// Parameters that are secrets, or name a file with one.
const SECRET: [&str; 3] = ["password", "passfile", "sslpassword"];
const PORT: &str = "5432";

/// Why a URL cannot be used, without repeating it.
pub fn fault(text: &str) -> Option<&'static str> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Some("must begin with postgres://");
    }
    let Ok(url) = Url::parse(text) else {
        return Some("is not a well-formed URL");
    };
    let in_query = url.query_pairs().any(|(name, value)| {
        SECRET.contains(&name.to_ascii_lowercase().as_str()) || value.contains("-----BEGIN")
    });
    if in_query {
        return Some(
            "holds a password or a private key in its parameters; put a password into a file and \
             name it in password_file, and name a key's file in sslkey",
        );
    }
    if url.password().is_some() {
        return Some("holds a password; put it into a file and name it in password_file");
    }
    None
}

/// Which database a URL names: host, port and database, the same however the URL is written, and
/// nothing else of it.
pub fn place(text: &str) -> String {
    let Ok(url) = Url::parse(text) else {
        return "a URL that is not well formed".to_owned();
    };
    let parameter = |names: [&str; 2]| {
        let found = url
            .query_pairs()
            .filter(|(name, _)| names.contains(&&**name));
        found.last().map(|(_, value)| value.into_owned())
    };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let host = parameter(["host", "hostaddr"])
        .or_else(|| given(url.host_str().unwrap_or_default()))
        .unwrap_or_else(|| "localhost".to_owned())
        .to_ascii_lowercase();
    let port = parameter(["port", "port"])
        .or_else(|| url.port().map(|port| port.to_string()))
        .unwrap_or_else(|| PORT.to_owned());
    let database = parameter(["dbname", "dbname"])
        .or_else(|| given(url.path().trim_start_matches('/')))
        .or_else(|| given(url.username()))
        .unwrap_or_default();
    format!("{host}:{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_url_holds_them() {
        for url in [
            "postgres://keyward:hunter2@db/keyward",
            "postgres://keyward@db/keyward?password=hunter2",
            "postgres://keyward@db/keyward?sslmode=require&PassWord=hunter2",
            "postgres://keyward@db/keyward?pass%77ord=hunter2",
            "postgres://keyward@db/keyward?passfile=/root/.pgpass",
            "postgresql://keyward@db/keyward?sslpassword=hunter2",
            "postgres://db/keyward?user=keyward&password=hunter2",
            "postgres://keyward@db/keyward?sslkey=-----BEGIN%20PRIVATE%20KEY-----",
        ] {
            let said = fault(url).unwrap_or_default();
            assert!(said.starts_with("holds a password"), "{url}: {said}");
            assert!(!place(url).contains("hunter2"), "{url}");
        }
        for url in [
            "postgres://keyward@db:5432/keyward?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres://keyward@%2Frun%2Fpostgresql/keyward",
            "postgres:///keyward?host=/run/postgresql",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        assert_eq!(fault("mysql://db/x"), Some("must begin with postgres://"));
        assert_eq!(fault("postgres://db:x/y"), Some("is not a well-formed URL"));
    }

    #[test]
    fn one_database_has_one_name() {
        for url in [
            "postgres://keyward@db.example/keyward",
            "postgresql://other@DB.example:5432/keyward?sslmode=require",
            "postgres://keyward@elsewhere:1/x?host=db.example&port=5432&dbname=keyward",
        ] {
            assert_eq!(place(url), "db.example:5432/keyward", "{url}");
        }
        let one = place("postgres:///keyward?host=/run/one");
        assert_ne!(one, place("postgres:///keyward?host=/run/two"));
        assert_eq!(place("postgres://keyward@db"), "db:5432/keyward");
    }
}
