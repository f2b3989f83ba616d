//! A headless Chromium, driven by its own chromedriver over the WebDriver protocol (W3C) on the loopback. Key type: [`Browser`].
//! Neighbour: [`crate::pages`], which loads pages in it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::find;
use crate::trouble::Trouble;

/// How long one command may take: a page of 60,000 regions on a loaded host.
const LIMIT: Duration = Duration::from_secs(120);

/// Names under which systems install Chromium.
const CHROMIUM: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A browser with one window and a profile of its own; ended when dropped.
pub(crate) struct Browser {
    driver: Child,
    /// Held, so that the driver can write to it as long as it lives.
    said: BufReader<ChildStdout>,
    port: u16,
    session: String,
    folder: PathBuf,
}

fn missing(why: impl Into<String>) -> Trouble {
    Trouble::Missing {
        tool: "headless Chromium".into(),
        why: why.into(),
    }
}

impl Browser {
    /// Start the installed one. Unlike the cross compiler it is not fetched: its libraries are hundreds of packages.
    pub(crate) fn start() -> Result<Browser, Trouble> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let driver = find(&["chromedriver"])
            .ok_or_else(|| missing("install chromedriver (Debian: chromium and chromium-driver)"))?;
        let chromium = find(CHROMIUM).ok_or_else(|| missing("install chromium"))?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pagewalk-browser-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
        let mut command = Command::new(&driver);
        command
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(Trouble::file(&driver))?;
        let Some(stdout) = child.stdout.take() else {
            return Err(missing("chromedriver has no output"));
        };
        let mut browser = Browser {
            driver: child,
            said: BufReader::new(stdout),
            port: 0,
            session: String::new(),
            folder,
        };
        browser.port = browser.read_port()?;
        browser.open_session(&chromium)?;
        Ok(browser)
    }

    /// The driver says its port in a line such as `ChromeDriver was started successfully on port 40911.`
    fn read_port(&mut self) -> Result<u16, Trouble> {
        let mut line = String::new();
        while self.said.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some((_, port)) = line.rsplit_once("successfully on port ") {
                return port
                    .trim_end_matches(|c: char| !c.is_ascii_digit())
                    .parse()
                    .map_err(|_| missing(format!("chromedriver's port is not in {line:?}")));
            }
            line.clear();
        }
        Err(missing("chromedriver ended before it said its port"))
    }

    fn open_session(&mut self, chromium: &Path) -> Result<(), Trouble> {
        let mut arguments = vec![
            "--headless".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--user-data-dir={}", self.folder.display()),
        ];
        // Chromium refuses its sandbox to root.
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            arguments.push("--no-sandbox".to_owned());
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let opened = self
            .call("POST", "/session", &wanted)
            .map_err(|e| missing(e.to_string()))?;
        let id = opened
            .get("sessionId")
            .and_then(Value::as_str)
            .unwrap_or_default();
        self.session = format!("/session/{id}");
        Ok(())
    }

    /// A window of this width, and the colours that the user prefers.
    pub(crate) fn set_screen(&self, width: u32, scheme: &str) -> Result<(), Trouble> {
        let is_phone = width < 600;
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics)?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &media)?;
        Ok(())
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Result<Value, Trouble> {
        let body = json!({"cmd": command, "params": parameters});
        self.in_session("/goog/cdp/execute", &body)
    }

    /// Load a page, and wait until it is loaded.
    pub(crate) fn open(&self, address: &str) -> Result<(), Trouble> {
        self.in_session("/url", &json!({ "url": address })).map(drop)
    }

    /// The value of a script that returns one.
    pub(crate) fn evaluate(&self, script: &str) -> Result<Value, Trouble> {
        self.in_session("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The first value other than null of a script, asked again and again.
    pub(crate) fn wait_for(&self, script: &str) -> Result<Value, Trouble> {
        let start = Instant::now();
        loop {
            match self.evaluate(script)? {
                Value::Null if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(50)),
                Value::Null => return Err(Trouble::Failed(format!("nothing came of `{script}`"))),
                value => return Ok(value),
            }
        }
    }

    /// What the console got since this was last asked, one message each.
    pub(crate) fn console(&self) -> Result<Vec<String>, Trouble> {
        let log = self.in_session("/se/log", &json!({"type": "browser"}))?;
        let messages = log.as_array().into_iter().flatten();
        Ok(messages
            .filter_map(|entry| entry.get("message")?.as_str().map(str::to_owned))
            .collect())
    }

    fn in_session(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.call("POST", &format!("{}{path}", self.session), body)
    }

    /// One command of the protocol: its `value`, or the message of its error.
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Trouble> {
        let failed = |why: String| Trouble::Failed(format!("chromedriver, {method} {path}: {why}"));
        let (status, text) = self
            .exchange(method, path, body.to_string().as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let answer: Value = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        let value = answer.get("value").cloned().unwrap_or_default();
        if status == 200 {
            return Ok(value);
        }
        let message = value
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("no message");
        Err(failed(message.lines().next().unwrap_or_default().to_owned()))
    }

    /// One HTTP request (RFC 9112) and its answer: the status and the body.
    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len(),
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut reader = BufReader::new(stream);
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest
                    .split(' ')
                    .next()
                    .and_then(|word| word.parse().ok())
                    .unwrap_or(0);
            } else if let Some((name, value)) = line.split_once(':') {
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap_or(0);
                }
            } else {
                break;
            }
        }
        let mut text = Vec::new();
        reader.take(length).read_to_end(&mut text)?;
        Ok((status, text))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; whatever fails here, the driver is ours alone and the folder a temporary one.
        if !self.session.is_empty() {
            drop(self.call("DELETE", &self.session, &json!({})));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
