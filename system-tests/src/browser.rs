//! A headless Chromium, driven by its chromedriver over WebDriver. Nothing but what the status page's test needs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::http;

const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A cold browser on a busy machine.
const START_MAX: Duration = Duration::from_secs(120);

/// A browser with one page open. Ends with its driver when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Part of the screenshot's name.
    pub name: &'static str,
    /// Width in CSS pixels.
    pub width: u32,
    /// `light` or `dark`.
    pub scheme: &'static str,
}

impl Browser {
    /// Starts the driver and a browser.
    ///
    /// # Errors
    /// When either is missing or does not start.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("chromedriver.log");
        let out = std::fs::File::create(&log)?;
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .context("cannot start chromedriver: `bash .ci/browser` installs it")?;
        let mut browser = Self { driver, address: String::new(), session: String::new() };
        for _ in 0..START_MAX.as_millis() / LOOK_AGAIN.as_millis() {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            // `ChromeDriver was started successfully on port 41235.`
            let port = said.split_once("successfully on port ").map(|(_, rest)| rest);
            if let Some(port) = port.and_then(|rest| rest.split('.').next()) {
                browser.address = format!("127.0.0.1:{port}");
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let told = browser.tell("POST", "/session", &wanted).await?;
        browser.session = told["sessionId"].as_str().context("no session")?.to_owned();
        Ok(browser)
    }

    async fn tell(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = (method == "POST").then_some(body);
        let answer = http::ask(&self.address, method, path, body).await?;
        let value = answer.json()?["value"].take();
        if answer.code != 200 {
            bail!("{path}: {}", value["message"]);
        }
        Ok(value)
    }

    async fn order(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        self.tell("POST", &format!("/session/{}/{what}", self.session), body).await
    }

    async fn devtools(&self, command: &str, params: &Value) -> anyhow::Result<Value> {
        self.order("goog/cdp/execute", &json!({"cmd": command, "params": params})).await
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When the browser cannot.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.order("url", &json!({"url": url})).await.map(drop)
    }

    /// Sets width and colour scheme.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn look(&self, look: Look) -> anyhow::Result<()> {
        let size = json!({
            "width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size).await?;
        let scheme = json!([{"name": "prefers-color-scheme", "value": look.scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": scheme})).await.map(drop)
    }

    /// What a script on the page returns.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.order("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// The whole page as PNG.
    ///
    /// # Errors
    /// When there is no picture.
    pub async fn screenshot(&self) -> anyhow::Result<Vec<u8>> {
        use base64::Engine as _;
        let params = json!({"captureBeyondViewport": true});
        let shot = self.devtools("Page.captureScreenshot", &params).await?;
        let text = shot["data"].as_str().context("no picture")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// What the page wrote to its console, errors of loading included.
    ///
    /// # Errors
    /// When the browser does not tell.
    pub async fn console(&self) -> anyhow::Result<Vec<String>> {
        let lines = self.order("se/log", &json!({"type": "browser"})).await?;
        let lines = lines.as_array().context("no list")?;
        Ok(lines.iter().map(|line| line["message"].to_string()).collect())
    }

    /// Ends the browser.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.tell("DELETE", &format!("/session/{}", self.session), &Value::Null).await?;
        self.driver.kill()?;
        self.driver.wait()?;
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // After `close` both find nothing to do.
        self.driver.kill().unwrap_or_default();
        self.driver.wait().map(drop).unwrap_or_default();
    }
}
