//! Pages, filters and ids of the registry's lists.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{hoziron, kontext, path, refused};
use crate::fixtures;

#[tokio::test]
async fn a_bad_page_of_tools_is_400() -> Result<()> {
    for query in ["limit=0", "limit=201", "limit=-1", "limit=ten", "cursor=forged", "status=nonsense"] {
        let answer = refused(query, 400, async |world| {
            world.postern.admin()?.get(&format!("{}?{query}", path(&world.taken.id, "tools"))).await
        })
        .await?;
        let named = query.split('=').next().unwrap_or_default();
        assert!(kontext(&answer)?.contains(named), "{query}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_page_of_hoziron_is_a_validation_error() -> Result<()> {
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=ten", "cursor=forged"] {
        let answer = refused(query, 400, async |world| {
            world.postern.admin()?.get(&format!("/integrations?{query}")).await
        })
        .await?;
        let named = query.split('=').next().unwrap_or_default();
        let message = hoziron(&answer, "ValidationError")?;
        assert!(message.contains(named), "{query}: {message}");
    }
    Ok(())
}

/// A tool's id has 24 hexadecimal digits; any other text is refused like the id of no tool.
#[tokio::test]
async fn a_decision_on_no_tool_is_404() -> Result<()> {
    for tool in ["0123456789abcdef01234567", "echo", "%00", "..%2f..", &"a".repeat(2000)] {
        for decision in ["approve", "reject"] {
            let answer = refused(tool, 404, async |world| {
                let path = path(&world.taken.id, &format!("tools/{tool}/{decision}"));
                world.postern.admin()?.call("POST", &path).await
            })
            .await?;
            kontext(&answer).with_context(|| format!("{decision} {tool}"))?;
        }
    }
    Ok(())
}

/// A tool is found only under the integration that it belongs to.
#[tokio::test]
async fn a_decision_on_anothers_tool_is_404() -> Result<()> {
    let (postern, stub) = (fixtures::postern().await?, fixtures::stub()?);
    let body =
        json!({"name": "Mine", "url": stub.url("/modern"), "authMode": "none", "toolPolicy": "review"});
    let mine = postern.register_with(body).await?;
    let other = postern.register("Other", &stub.url("/modern")).await?;
    let tools = postern.admin()?.get(&path(&mine.id, "tools")).await?.expect(200)?;
    let tool = tools["items"][0]["id"].as_str().context("no tool")?;
    let before = postern.contents().await?;
    for decision in ["approve", "reject"] {
        let answer =
            postern.admin()?.call("POST", &path(&other.id, &format!("tools/{tool}/{decision}"))).await?;
        assert_eq!(answer.status, 404, "{}", answer.text);
        kontext(&answer)?;
    }
    assert_eq!(postern.contents().await?, before);
    Ok(())
}
